// config/keys: which keys a file may have, and where in the Config they go.
//
// Both functions may be called with a Section that is absent: they then only name their keys.
// Problems are collected in the Document.
#pragma once

#include "config/config.h"
#include "config/listener_keys.h"
#include "config/section.h"

namespace ringway::config {

// What stands in gnetway's file: go-zero's server keys, RSA keys, listeners, the session client.
void read_gnetway_keys(Document& document, Section& root, ListenerReader& listeners,
                       Config& config);

// The section `Ringway`.
void read_ringway_keys(Document& document, Section& root, ListenerReader& listeners,
                       Config& config);

}  // namespace ringway::config
