// Clients of GramJS, told what to do by commands. The same file runs in Node and, bundled, in a page of Chromium.
//
// The library has the keys of Telegram's servers built in, and the ports 80 and 443. Both are given here from outside,
// through what it offers for it: its table of keys, and the classes of its sockets. Nothing of the package is edited.
"use strict";

const bigInt = require("big-integer");
const { Api, TelegramClient } = require("telegram");
const { _serverKeys: serverKeys } = require("telegram/crypto/RSA");
const { generateRandomBytes } = require("telegram/Helpers");
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

// The library's own log is where it tells that the server does not know its key.
class Log extends Logger {
  constructor(onLostKey) {
    super("warn");
    this.onLostKey = onLostKey;
  }

  log(level, message, color) {
    super.log(level, message, color);
    if (message.startsWith("Broken authorization key")) {
      this.onLostKey?.();
    }
  }
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

// `attempts` bounds how often the client tries to connect, now and after each break.
function create({ client: name, door, session, attempts }, onLostKey) {
  const stored = new StringSession(session || "");
  if (!session) {
    stored.setDC(DC, door.host, door.port);
  }
  const client = new TelegramClient(stored, 1, "0".repeat(32), {
    connectionRetries: attempts || Infinity,
    retryDelay: 200,
    baseLogger: new Log(onLostKey),
    ...optionsOf(door),
  });
  clients.set(name, client);
  return client;
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

  // Connects a new client. Returns its session, which has its key.
  async open(command) {
    const client = create(command);
    const connected = await client.connect();
    return { connected, session: client.session.save() };
  },

  // Connects a new client with a session whose key the server does not know: done when the client has heard of that.
  async hearOfLostKey(command) {
    await new Promise((resolve, reject) => {
      create(command, resolve).connect().then(() => reject(new Error("the server knows the key")), reject);
    });
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
    // A browser gives no more of them at once.
    const piece = 65536;
    const bytes = Buffer.concat(Array.from({ length: command.size / piece }, () => generateRandomBytes(piece)));
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
