// Bundles runner.js for a page: node bundle.js OUTFILE. The packages are where NODE_PATH says.
//
// What GramJS takes from Node has a counterpart in the browser (buffer, path, its own crypto over WebCrypto), or is
// never reached there (sockets, files), or is a few lines of ours.
"use strict";

const path = require("path");
const esbuild = require("esbuild");

const shim = (name) => path.join(__dirname, "shims", `${name}.js`);
const nothing = shim("nothing");

esbuild.buildSync({
  entryPoints: [path.join(__dirname, "runner.js")],
  outfile: process.argv[2],
  bundle: true,
  platform: "browser",
  define: { global: "globalThis" },
  inject: [shim("globals")],
  alias: {
    crypto: "telegram/crypto/crypto",
    fs: nothing,
    net: nothing,
    "node-localstorage": nothing,
    os: shim("os"),
    path: "path-browserify",
    socks: nothing,
    util: shim("util"),
  },
  nodePaths: [process.env.NODE_PATH],
  logLevel: "warning",
});
