/* A store far away, and plain transfers to compare with: a proxy that delays requests and counts them, ranged downloads, part uploads.
   Bytes go through pipes inside the kernel (splice, sendfile), so that they take little from the processors that are measured. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)

static void fail(const char *what) {
  fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long clock_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int connect_local(int port, int flags) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | flags, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

/* One direction of a connection. */
struct flow {
  int from, to, pipe[2], ended, closed;
  size_t held;
  double allowance;
};

struct connection {
  struct flow up, down;
  struct connection *next;
  long long held_until, filled_at;
  int awaiting, dead;
};


static struct connection *connections;
static long long accepted, peak, open_now, requests, lists, gets, heads, writes, bytes_up, bytes_down;
static double rate;

static void count(const char *head) {
  requests++;
  const char *line = strchr(head, '\r');
  size_t length = line ? (size_t)(line - head) : strlen(head);
  int list = memmem(head, length, "list-type=", 10) || memmem(head, length, "comp=list", 9) || memmem(head, length, "/o?", 3);
  if (list || !strncmp(head, "PROPFIND ", 9)) lists++;
  else if (!strncmp(head, "GET ", 4)) gets++;
  else if (!strncmp(head, "HEAD ", 5)) heads++;
  else writes++;
}

/* Moves what can be moved; returns bytes that came in. */
static long long move_bytes(struct flow *f) {
  long long moved = 0;
  for (;;) {
    size_t room = PIPE_BYTES;
    if (rate > 0) room = f->allowance <= 0 ? 0 : (size_t)f->allowance;
    ssize_t in = 0;
    if (!f->ended && f->held == 0 && room > 0) {
      in = splice(f->from, NULL, f->pipe[1], NULL, room, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      if (in == 0 || (in < 0 && errno != EAGAIN)) f->ended = 1;
      if (in > 0) {
        f->held += (size_t)in;
        f->allowance -= (double)in;
        moved += in;
      }
    }
    ssize_t out = f->held ? splice(f->pipe[0], NULL, f->to, NULL, f->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE) : 0;
    if (out > 0) f->held -= (size_t)out;
    if (out < 0 && errno != EAGAIN) f->ended = f->closed = 1;
    if (f->held > 0 || in <= 0) break;
  }
  if (f->ended && f->held == 0 && !f->closed) {
    shutdown(f->to, SHUT_WR);
    f->closed = 1;
  }
  return moved;
}

static void watch_ends(int epoll, struct connection *c, long long now) {
  int throttled_up = rate > 0 && c->up.allowance <= 0, throttled_down = rate > 0 && c->down.allowance <= 0;
  struct epoll_event client = {.data.ptr = c}, server = {.data.ptr = c};
  if (now >= c->held_until && !c->up.ended && c->up.held == 0 && !throttled_up) client.events |= EPOLLIN;
  if (c->down.held) client.events |= EPOLLOUT;
  if (!c->down.ended && c->down.held == 0 && !throttled_down) server.events |= EPOLLIN;
  if (c->up.held) server.events |= EPOLLOUT;
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->up.from, &client);
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->down.from, &server);
}

static void fill(struct flow *f, double by) {
  f->allowance += by;
  if (f->allowance > rate / 50) f->allowance = rate / 50; /* at most 20 ms at once */
}

static void serve(int epoll, struct connection *c, long long now, long long delay) {
  if (c->dead) return;
  if (rate > 0) {
    double by = rate * (double)(now - c->filled_at) / 1e6;
    fill(&c->up, by);
    fill(&c->down, by);
  }
  c->filled_at = now;
  if (c->awaiting) {
    char head[1024];
    ssize_t n = recv(c->up.from, head, sizeof head - 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) {
      head[n] = 0;
      count(head);
      c->awaiting = 0;
      c->held_until = now + delay;
    } else if (n == 0 || errno != EAGAIN) {
      c->awaiting = 0; /* its end */
    }
  }
  if (now >= c->held_until && !c->awaiting) bytes_up += move_bytes(&c->up);
  long long down = move_bytes(&c->down);
  bytes_down += down;
  if (down > 0) c->awaiting = 1;
  if (c->down.closed || (c->up.closed && c->down.ended)) {
    c->dead = 1;
    open_now--;
    close(c->up.from);
    close(c->down.from);
    for (int i = 0; i < 2; i++) {
      close(c->up.pipe[i]);
      close(c->down.pipe[i]);
    }
    return;
  }
  watch_ends(epoll, c, now);
}

static void accept_one(int epoll, int listener, int target, long long now) {
  int one = 1, client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (client < 0) return;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct connection *c = calloc(1, sizeof *c);
  int server = connect_local(target, 0);
  fcntl(server, F_SETFL, O_NONBLOCK);
  c->up = (struct flow){.from = client, .to = server};
  c->down = (struct flow){.from = server, .to = client};
  if (pipe2(c->up.pipe, O_NONBLOCK) || pipe2(c->down.pipe, O_NONBLOCK)) fail("pipe");
  fcntl(c->up.pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
  fcntl(c->down.pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
  c->awaiting = 1;
  c->filled_at = now;
  c->next = connections;
  connections = c;
  accepted++;
  if (++open_now > peak) peak = open_now;
  struct epoll_event none = {.data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, client, &none);
  epoll_ctl(epoll, EPOLL_CTL_ADD, server, &none);
  watch_ends(epoll, c, now);
}

/* Frees what ended, and says how long to wait: until the first held request, or a moment where a limit holds bytes back. */
static int sweep(int epoll, long long now, long long delay) {
  long long wait = -1;
  for (struct connection **at = &connections; *at;) {
    struct connection *c = *at;
    if (!c->dead && (now >= c->held_until || rate > 0)) {
      int due = c->held_until > 0 && now >= c->held_until;
      if (due) c->held_until = 0;
      if (due || (rate > 0 && (c->up.allowance <= 0 || c->down.allowance <= 0))) serve(epoll, c, now, delay);
    }
    if (c->dead) {
      *at = c->next;
      free(c);
      continue;
    }
    long long next = c->held_until > now ? c->held_until - now : -1;
    if (rate > 0 && (c->up.allowance <= 0 || c->down.allowance <= 0)) next = 2000;
    if (next >= 0 && (wait < 0 || next < wait)) wait = next;
    at = &c->next;
  }
  return wait < 0 ? -1 : (int)((wait + 999) / 1000);
}

/* Every line on the standard input asks for the counts since the last one; its end ends the proxy. */
static int report(void) {
  char line[64];
  if (read(0, line, sizeof line) <= 0) return 0;
  printf("%lld %lld %lld %lld %lld %lld %lld %lld %lld\n", accepted, peak, requests, lists, gets, heads, writes, bytes_up, bytes_down);
  fflush(stdout);
  accepted = requests = lists = gets = heads = writes = bytes_up = bytes_down = 0;
  peak = open_now;
  return 1;
}

int proxy(int target, long long delay, double bytes_per_second) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof own;
  int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  signal(SIGPIPE, SIG_IGN);
  rate = bytes_per_second;
  if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 256) || getsockname(listener, (struct sockaddr *)&own, &length)) fail("listen");
  struct epoll_event on_listener = {.events = EPOLLIN, .data.u64 = 1}, on_input = {.events = EPOLLIN, .data.u64 = 2};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &on_listener);
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &on_input);
  printf("%d\n", ntohs(own.sin_port));
  fflush(stdout);
  int wait = -1;
  for (;;) {
    struct epoll_event events[64];
    int n = epoll_wait(epoll, events, 64, wait);
    long long now = clock_us();
    for (int i = 0; i < n; i++) {
      if (events[i].data.u64 == 1) accept_one(epoll, listener, target, now);
      else if (events[i].data.u64 != 2) serve(epoll, events[i].data.ptr, now, delay);
      else if (!report()) return 0;
    }
    wait = sweep(epoll, clock_us(), delay);
  }
}

/* One request of a transfer: its head is ready and signed, its body is a piece of a file. */
struct piece {
  long long offset, length;
  char *head;
  size_t head_length;
};

static struct piece *pieces;
static int piece_count, next_piece, transfer_port, transfer_file, is_upload;
static double scale;

/* What was downloaded, stretched to the size of what is made of it: the disk has as much to do, the processors have nothing to decode. */
static void write_stretched(const char *bytes, long long length, long long offset) {
  long long from = (long long)((double)offset * scale), to = (long long)((double)(offset + length) * scale);
  while (from < to) {
    long long n = to - from < length ? to - from : length;
    if (pwrite(transfer_file, bytes, (size_t)n, from) != n) fail("write");
    from += n;
  }
}

static void send_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n <= 0) fail("send");
    bytes += n;
    length -= (size_t)n;
  }
}

/* The head of an answer; what came of the body with it is written or dropped. Returns the bytes of the body that are still to come. */
static long long receive_head(int fd, char *buffer, size_t size, long long offset) {
  size_t have = 0;
  char *end = NULL;
  while (!end) {
    ssize_t n = recv(fd, buffer + have, size - 1 - have, 0);
    if (n <= 0) fail("receive");
    have += (size_t)n;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
  }
  if (strncmp(buffer, "HTTP/1.1 20", 11)) {
    fprintf(stderr, "probe: the store answers: %s\n", buffer);
    exit(1);
  }
  char *field = strcasestr(buffer, "\r\nContent-Length:");
  long long length = field ? atoll(field + 17) : 0, with = (long long)(buffer + have - (end + 4));
  if (!is_upload && with > 0) write_stretched(end + 4, with, offset);
  return length - with;
}

static void *transfer_pieces(void *unused) {
  size_t size = 1 << 20;
  char *buffer = malloc(size);
  int fd = connect_local(transfer_port, 0);
  (void)unused;
  for (int i; (i = __atomic_fetch_add(&next_piece, 1, __ATOMIC_RELAXED)) < piece_count;) {
    struct piece *p = &pieces[i];
    send_all(fd, p->head, p->head_length);
    off_t from = p->offset;
    for (long long left = is_upload ? p->length : 0; left > 0;) {
      ssize_t n = sendfile(fd, transfer_file, &from, (size_t)left);
      if (n <= 0) fail("send");
      left -= n;
    }
    long long left = receive_head(fd, buffer, size, p->offset);
    for (long long at = p->offset + p->length - left; left > 0;) {
      ssize_t n = recv(fd, buffer, left < (long long)size ? (size_t)left : size, 0);
      if (n <= 0) fail("receive");
      if (!is_upload) write_stretched(buffer, n, at);
      at += n;
      left -= n;
    }
  }
  close(fd);
  free(buffer);
  return NULL;
}

int transfer(const char *kind, int port, const char *list, const char *path, int threads, double stretch) {
  FILE *file = fopen(list, "r");
  pthread_t ids[64];
  if (!file || threads > 64) fail(list);
  is_upload = !strcmp(kind, "put");
  transfer_port = port;
  scale = stretch;
  transfer_file = is_upload ? open(path, O_RDONLY) : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (transfer_file < 0) fail(path);
  long long offset, length;
  size_t head_length;
  while (fscanf(file, "%lld %lld %zu", &offset, &length, &head_length) == 3) {
    fgetc(file);
    pieces = realloc(pieces, (size_t)(piece_count + 1) * sizeof *pieces);
    struct piece *p = &pieces[piece_count++];
    *p = (struct piece){offset, length, malloc(head_length), head_length};
    if (fread(p->head, 1, head_length, file) != head_length) fail("list");
  }
  fclose(file);
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, transfer_pieces, NULL);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  if (!is_upload && fsync(transfer_file)) fail("sync");
  return 0;
}
