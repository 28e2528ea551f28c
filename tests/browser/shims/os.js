// What a client says of its machine when it connects.
module.exports = { type: () => "Browser", release: () => "1.0" };
