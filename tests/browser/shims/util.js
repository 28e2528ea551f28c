// GramJS names its methods for printing by this symbol, and calls none of them.
module.exports = { inspect: { custom: Symbol("inspect") } };
