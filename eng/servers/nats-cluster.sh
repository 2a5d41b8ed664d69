#!/bin/bash
# nats-cluster.sh DATADIR PORT
# Three nats-server nodes with JetStream in one cluster on 127.0.0.1, in the foreground; they end with this script.
# Ports: clients PORT, PORT+1, PORT+2; routes PORT+3 ... PORT+5; monitoring (http) PORT+6 ... PORT+8.
# DATADIR/node{1,2,3}.pid: process of each node. DATADIR/restart-node N: starts node N again on its data after it was killed.
# A killed node stays down until then.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 DATADIR PORT" >&2; exit 2; }
PATH=$PATH:/usr/sbin
command -v nats-server >/dev/null 2>&1 ||
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nats-server >&2
mkdir -p "$1"; D=$(cd "$1" && pwd); PORT=$2

for n in 1 2 3; do
  cat >"$D/node$n.conf" <<CONF
host: 127.0.0.1
port: $((PORT + n - 1))
server_name: node$n
client_advertise: "127.0.0.1:$((PORT + n - 1))"
http: "127.0.0.1:$((PORT + 5 + n))"
jetstream { store_dir: "$D/node$n", max_memory_store: 64MB, max_file_store: 4GB }
cluster {
  name: test
  listen: "127.0.0.1:$((PORT + 2 + n))"
  routes: [ "nats://127.0.0.1:$((PORT + 3))", "nats://127.0.0.1:$((PORT + 4))", "nats://127.0.0.1:$((PORT + 5))" ]
  connect_retries: 30
}
CONF
done

# Nodes are children of this script, so that they die with it: a restart is a request to it through a pipe.
rm -f "$D/requests"; mkfifo "$D/requests"
exec 3<>"$D/requests"
cat >"$D/restart-node" <<'SH'
#!/bin/bash
# restart-node N: returns when the node runs again under a new process id.
set -eu
D=$(dirname "$0")
rm -f "$D/node$1.pid"
echo "$1" >"$D/requests"
until [ -s "$D/node$1.pid" ]; do sleep 0.02; done
SH
chmod +x "$D/restart-node"

start() {
  setpriv --pdeathsig KILL nats-server -c "$D/node$1.conf" -l "$D/node$1.log" 3>&- &
  echo $! >"$D/node$1.pid.new"
  mv "$D/node$1.pid.new" "$D/node$1.pid"
}

for n in 1 2 3; do start $n; done
while read -r n <&3; do start "$n"; done
