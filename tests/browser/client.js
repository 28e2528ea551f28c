// Clients of GramJS, told what to do by commands. The same file runs in Node and, bundled, in a page of Chromium.
//
// The library has the keys of Telegram's servers built in, and the ports 80 and 443. Both are given here from outside,
// through what it offers for it: its table of keys, and the classes of its sockets. Nothing of the package is edited.
"use strict";

const bigInt = require("big-integer");
const { Api, TelegramClient } = require("telegram");
const { _serverKeys: serverKeys } = require("telegram/crypto/RSA");
const { Logger, PromisedNetSockets, PromisedWebSockets } = require("telegram/extensions");
const connections = require("telegram/network/connection");
const { StringSession } = require("telegram/sessions");

const DC = 2;
const clients = new Map();

// A door is {transport, host, port} and for some secret or testServers. Whatever the library makes of a server's
// answers, no client leaves that host.
function guard(door, ip) {
  if (ip !== door.host) {
    throw new Error(`the client wants to go to ${ip}`);
  }
}

function netSockets(door) {
  return class extends PromisedNetSockets {
    connect(_port, ip) {
      guard(door, ip);
      return super.connect(door.port, ip);
    }
  };
}

function webSockets(door) {
  return class extends PromisedWebSockets {
    getWebSocketLink(ip, port, testServers) {
      guard(door, ip);
      return super.getWebSocketLink(ip, port, testServers).replace(`:${port}/`, `:${door.port}/`);
    }
  };
}

function optionsOf(door) {
  const net = { networkSocket: netSockets(door) };
  const web = {
    networkSocket: webSockets(door),
    connection: connections.ConnectionTCPObfuscated,
    testServers: Boolean(door.testServers),
  };
  switch (door.transport) {
    case "full":
      return { ...net, connection: connections.ConnectionTCPFull };
    case "abridged":
      return { ...net, connection: connections.ConnectionTCPAbridged };
    case "obfuscated":
      return { ...net, connection: connections.ConnectionTCPObfuscated };
    case "mtproxy":
      return { ...net, proxy: { ip: door.host, port: door.port, secret: door.secret, MTProxy: true } };
    case "ws":
      return { ...web, useWSS: false };
    case "wss":
      return { ...web, useWSS: true };
    default:
      throw new Error(`no transport ${door.transport}`);
  }
}

function clientOf(command) {
  const client = clients.get(command.client);
  if (client === undefined) {
    throw new Error(`no client ${command.client}`);
  }
  return client;
}

const actions = {
  // The server's RSA key: numbers as decimal text.
  trust({ fingerprint, n, e }) {
    serverKeys.set(fingerprint, { fingerprint: bigInt(fingerprint), n: bigInt(n), e });
  },

  // Connects a new client; `attempts` bounds how often it tries, now and after each break. Returns its session.
  async open({ client: name, door, session, attempts }) {
    const stored = new StringSession(session || "");
    if (!session) {
      stored.setDC(DC, door.host, door.port);
    }
    const client = new TelegramClient(stored, 1, "0".repeat(32), {
      connectionRetries: attempts || Infinity,
      retryDelay: 200,
      baseLogger: new Logger("none"),
      ...optionsOf(door),
    });
    clients.set(name, client);
    const connected = await client.connect();
    return { connected, session: stored.save() };
  },

  async config(command) {
    const config = await clientOf(command).invoke(new Api.help.GetConfig());
    const options = config.dcOptions.map((option) => ({ id: option.id, host: option.ipAddress, port: option.port }));
    return { dc: config.thisDc, options };
  },

  // As many pings at once: the library sends them in containers. Returns the numbers that came back.
  async pings(command) {
    const client = clientOf(command);
    const ping = (number) => client.invoke(new Api.Ping({ pingId: bigInt(number) }));
    const pongs = await Promise.all(command.numbers.map(ping));
    return pongs.map((pong) => pong.pingId.toString());
  },

  // A part of a file of random bytes, which do not get smaller by packing.
  async upload(command) {
    const bytes = Buffer.alloc(command.size);
    for (let at = 0; at < command.size; at += 65536) {
      globalThis.crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, command.size)));
    }
    const part = new Api.upload.SaveFilePart({ fileId: bigInt.one, filePart: 0, bytes });
    return clientOf(command).invoke(part);
  },

  // Ends the client of that name, if there is one.
  async forget({ client: name }) {
    const client = clients.get(name);
    clients.delete(name);
    await client?.destroy();
  },
};

async function run(command) {
  try {
    return { result: await actions[command.action](command) };
  } catch (error) {
    return { error: String(error?.stack || error), code: error?.code, message: error?.errorMessage };
  }
}

module.exports = { run };
