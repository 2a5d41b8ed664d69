#!/bin/bash
# ceph-cluster.sh DATADIR PORT
# A Ceph cluster on 127.0.0.1, in the foreground: one monitor, three object stores on bluestore that each keep every object (a write needs two of
# them), and the S3 gateway on PORT with the user testaccess / testsecret0123456789 and the bucket "test". All processes end with this script.
# Ports: gateway PORT, monitor PORT+1, object stores PORT+2 ... PORT+25.
# DATADIR/osd{0,1,2}.pid: process of each object store. DATADIR/restart-node N: starts store N again on its data after it was killed; a killed one
# stays down until then. DATADIR/wait-clean: returns when all stores are up and have everything. DATADIR/ready exists when the bucket does.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 DATADIR PORT" >&2; exit 2; }
PATH=$PATH:/usr/sbin
for program in ceph-mon ceph-osd radosgw radosgw-admin ceph-authtool monmaptool; do
  command -v "$program" >/dev/null 2>&1 ||
    { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common python3-rados >&2; break; }
done
mkdir -p "$1"; D=$(cd "$1" && pwd); PORT=$2
export CEPH_CONF=$D/ceph.conf
mkdir "$D/mon" "$D/osd0" "$D/osd1" "$D/osd2" "$D/rgw" "$D/run"
FSID=$(cat /proc/sys/kernel/random/uuid)

# Detection: a store is down as soon as one other says so, after 3 s without heartbeat or at once when its port refuses; no patience grows from
# earlier kills. Memory: three stores in a test need no caches; the target has a lower limit of 896 MiB and is not what they use.
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $FSID
mon host = v2:127.0.0.1:$((PORT + 1))
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = $((PORT + 2))
ms bind port max = $((PORT + 25))
ms async op threads = 1
keyring = $D/keyring
run dir = $D/run
admin socket =
log file =
log to stderr = true
err to stderr = true
osd pool default size = 3
osd pool default min size = 2
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0

mon data avail crit = 1
auth allow insecure global id reclaim = false
mon osd min down reporters = 1
mon osd reporter subtree level = osd
mon osd adjust heartbeat grace = false
mon osd adjust down out interval = false
mon osd down out interval = 10
mon tick interval = 1
paxos propose interval = 0.1

osd heartbeat interval = 1
osd heartbeat grace = 3
osd mon heartbeat interval = 2
osd max markdown count = 1000
osd objectstore = bluestore
bluestore block size = 2147483648
bluestore cache autotune = false
bluestore cache size = 67108864
osd memory target = 939524096
osd op num shards = 2
osd op num threads per shard = 1
osd recovery sleep = 0
osd recovery max active = 8
osd scrub during recovery = false
osd scrub load threshold = 0.01

rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
rgw data = $D/rgw
rgw dns name = localhost
rgw thread pool size = 64
rgw dynamic resharding = false
rgw override bucket index max shards = 1
[mon.a]
mon data = $D/mon
[osd]
osd data = $D/osd\$id
admin socket = $D/run/osd\$id.asok
CONF

# One keyring for all; the monitor takes over every key in it when its store is made.
key() { ceph-authtool "$D/keyring" --gen-key -n "$@" >/dev/null; }
: >"$D/keyring"
key mon. --cap mon 'allow *'
key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
for n in 0 1 2; do key osd.$n --cap mon 'allow profile osd' --cap osd 'allow *'; done
monmaptool --create --addv a "[v2:127.0.0.1:$((PORT + 1))]" --fsid "$FSID" "$D/monmap" >/dev/null
ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring" 2>>"$D/mon.log"
setpriv --pdeathsig KILL ceph-mon -i a -f >>"$D/mon.log" 2>&1 &

# Commands of the monitor through the library: the command line program takes most of a second for each.
cat >"$D/cluster.py" <<'PY'
import json, os, rados, socket, struct, sys, time
folder = os.path.dirname(os.path.abspath(__file__))

def ask(cluster, **command):
    status, out, text = cluster.mon_command(json.dumps(dict(command, format='json')), b'', timeout=10)
    if status: raise OSError(status, text)
    return json.loads(out) if out else None

# What a store itself says, through its socket; without a manager the cluster keeps no such figures.
def tell(store, **command):
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(f'{folder}/run/osd{store}.asok')
        link.sendall(json.dumps(dict(command, format='json')).encode() + b'\0')
        answer = link.makefile('rb')
        text = answer.read(struct.unpack('>I', answer.read(4))[0])
        return json.loads(text) if text[:1] == b'{' else {}

# A store that was just started first has another map than the others, who may still take its former process for alive.
def clean(cluster):
    stores = [tell(n, prefix='status') for n in range(3)]
    if any(s['state'] != 'active' or s['newest_map'] != stores[0]['newest_map'] for s in stores): return False
    for pool in ask(cluster, prefix='osd dump')['pools']:
        for n in range(pool['pg_num']):
            pg = '%d.%x' % (pool['pool'], n)
            answers = [tell(store, prefix='query', pgid=pg) for store in range(3)]
            if not any(a.get('state') == 'active+clean' and a['up'][0] == store and len(a['up']) == 3 for store, a in enumerate(answers)): return False
    return True

cluster = rados.Rados(conffile=f'{folder}/ceph.conf'); cluster.connect(timeout=60)
if sys.argv[1] == 'create':
    for uuid in sys.argv[2:]: ask(cluster, prefix='osd new', uuid=uuid)
elif sys.argv[1] == 'up':
    while sum(o['up'] for o in ask(cluster, prefix='osd dump')['osds']) < 3: time.sleep(0.05)
else:
    end = time.monotonic() + 120
    while True:
        try:
            if clean(cluster): break
        except (OSError, ValueError, KeyError, IndexError, struct.error, rados.Error): pass
        if time.monotonic() > end: sys.exit('not clean after 120 s')
        time.sleep(0.1)
PY
uuids=()
for n in 0 1 2; do uuids+=("$(cat /proc/sys/kernel/random/uuid)"); done
/usr/bin/python3 "$D/cluster.py" create "${uuids[@]}"
making=()
for n in 0 1 2; do
  ceph-osd -i $n --mkfs --osd-uuid "${uuids[$n]}" >>"$D/osd$n.log" 2>&1 &
  making+=($!)
done
for process in "${making[@]}"; do wait "$process" || { cat "$D"/osd?.log >&2; exit 1; }; done

# Object stores are children of this script, so that they die with it: a restart is a request to it through a pipe.
mkfifo "$D/requests"
exec 3<>"$D/requests"
cat >"$D/restart-node" <<'SH'
#!/bin/bash
# restart-node N: returns when the store runs again under a new process id.
set -eu
D=$(dirname "$0")
rm -f "$D/osd$1.pid"
echo "$1" >"$D/requests"
until [ -s "$D/osd$1.pid" ]; do sleep 0.02; done
SH
cat >"$D/wait-clean" <<'SH'
#!/bin/bash
# wait-clean: returns when three stores are up and every placement group is active and clean.
exec /usr/bin/python3 "$(dirname "$0")/cluster.py" clean
SH
chmod +x "$D/restart-node" "$D/wait-clean"

start() {
  setpriv --pdeathsig KILL ceph-osd -i "$1" -f >>"$D/osd$1.log" 2>&1 3>&- &
  echo $! >"$D/osd$1.pid.new"
  mv "$D/osd$1.pid.new" "$D/osd$1.pid"
}
for n in 0 1 2; do start $n; done
timeout 120 /usr/bin/python3 "$D/cluster.py" up || { echo "the object stores did not start, see $D/osd?.log" >&2; exit 1; }

radosgw-admin user create --uid=test --display-name=test --access-key=testaccess --secret-key=testsecret0123456789 >>"$D/rgw.log" 2>&1 3>&-
setpriv --pdeathsig KILL radosgw -n client.admin -f >>"$D/rgw.log" 2>&1 3>&- &

# The bucket, by a request with the short signature of version 2.
/usr/bin/python3 - "$PORT" >>"$D/rgw.log" 2>&1 <<'PY'
import base64, email.utils, hashlib, hmac, http.client, sys, time
date = email.utils.formatdate(usegmt=True)
signature = base64.b64encode(hmac.new(b'testsecret0123456789', f'PUT\n\n\n{date}\n/test'.encode(), hashlib.sha1).digest()).decode()
for _ in range(1200):
    try:
        connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=60)
        connection.request('PUT', '/test', headers={'Date': date, 'Content-Length': '0', 'Authorization': 'AWS testaccess:' + signature})
        answer = connection.getresponse()
        if answer.status == 200: break
        print('bucket:', answer.status, answer.read())
    except OSError: pass
    time.sleep(0.1)
else: sys.exit('no bucket')
PY
touch "$D/ready"
while read -r n <&3; do start "$n"; done
