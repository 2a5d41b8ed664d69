#!/bin/bash
# nginx.sh DATADIR PORT
# nginx with its DAV modules on 127.0.0.1:PORT, foreground; files under DATADIR/data, no login. A second WebDAV server for the tests, stricter than
# Apache: collections want a trailing slash in MKCOL and DELETE.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 DATADIR PORT" >&2; exit 2; }
if [ ! -x /usr/sbin/nginx ] || [ ! -e /usr/lib/nginx/modules/ngx_http_dav_ext_module.so ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light libnginx-mod-http-dav-ext >&2
fi
mkdir -p "$1/data" "$1/tmp"; D=$(cd "$1" && pwd); PORT=$2
U=; if [ "$(id -u)" = 0 ]; then U="user www-data;"; chown www-data "$D/data" "$D/tmp"; chmod 755 "$D"; fi
cat >"$D/nginx.conf" <<CONF
load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
$U
daemon off; worker_processes 1; pid $D/nginx.pid; error_log $D/error.log;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 0; client_body_temp_path $D/tmp; dav_ext_lock_zone zone=locks:1m;
  proxy_temp_path $D/tmp/proxy; fastcgi_temp_path $D/tmp/fastcgi; uwsgi_temp_path $D/tmp/uwsgi; scgi_temp_path $D/tmp/scgi;
  server {
    listen 127.0.0.1:$PORT; root $D/data;
    location / { dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; create_full_put_path off; }
  }
}
CONF
exec /usr/sbin/nginx -p "$D" -c "$D/nginx.conf" -e "$D/error.log"
