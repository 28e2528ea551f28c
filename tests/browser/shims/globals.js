// Node's global that GramJS relies on.
export { Buffer } from "buffer";
