// Asks the test for commands, runs each beside the others, and tells what came of it. The address of the test is the
// page's own in a browser, and the argument in Node.
"use strict";

const { run } = require("./client");

const inBrowser = typeof window !== "undefined";
const test = inBrowser ? window.location.origin : process.argv[2];

async function perform(command) {
  const outcome = await run(command);
  await fetch(`${test}/done`, { method: "POST", body: JSON.stringify({ number: command.number, ...outcome }) });
}

async function loop() {
  for (;;) {
    const answer = await fetch(`${test}/next`, { cache: "no-store" });
    if (answer.status === 200) {
      perform(await answer.json());
    }
  }
}

// The library leaves promises behind that nobody waits for, such as those of calls on a client that was closed.
if (!inBrowser) {
  process.on("unhandledRejection", (error) => console.error("left behind:", error));
}
// Without the test there is nothing left to do.
loop().catch(() => {
  if (!inBrowser) {
    process.exit(0);
  }
});
