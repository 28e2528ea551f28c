// Stands for modules of Node's that a page never comes to call.
module.exports = {};
