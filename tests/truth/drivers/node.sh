#!/bin/sh
# The drivers that Debian packages for node, with whatever node there is:
# installed, or unpacked by tests/setup where another node is in their way.
node=$(command -v node) || { echo 'absent there is no node'; exit 0; }
NODE_PATH=/usr/share/nodejs:${BUILD:-build}/drivers/node/usr/share/nodejs
export NODE_PATH
exec "$node" --no-deprecation "${0%/*}/node.js" "$1"
