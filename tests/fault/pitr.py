#!/usr/bin/env python3
"""pitr.py DIR STEPS MOMENTS [SEED]: points in time against a random history.

One session writes numbered rows to the server that the variables of
tests/lab/postgres tell.  Meanwhile, chosen by the seed: base backups, ends of
segments, prunes (for which days pass), restarts and crashes of the server, and
programs of bk killed at random moments.  Then MOMENTS moments that the store
covers are restored, some of them killed on the way first: each server holds
exactly the rows whose commit is not later, and no row that was acknowledged is
missing.  At last a segment is taken out of the log: no restore goes past it
unsaid.

It runs as the server's user, which owns DIR, with the programs on PATH.  The
server keeps commit times (track_commit_timestamp) and calls DIR/archive %p %f.
It prints one line that counts; status 1 and the story where something is not
so.
"""
import datetime
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

LIMIT = 60			# seconds for anything that nobody kills
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


class Wrong(Exception):
    pass


def parsed(text):
    """Microseconds of an RFC 3339 time."""
    t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (t - EPOCH) // datetime.timedelta(microseconds=1)


def stamp(us):
    t = EPOCH + datetime.timedelta(microseconds=us)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now():
    return time.time_ns() // 1000


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT,
                          stdin=subprocess.DEVNULL)


def good(*argv, ok=(0,)):
    p = run(*argv)
    if p.returncode not in ok:
        raise Wrong("%s: %d %s" % (" ".join(argv), p.returncode, p.stderr))
    return p.stdout


class Server:
    """A cluster that pg_ctl starts."""

    def __init__(self, data, host, port):
        self.data, self.host, self.port = data, host, port

    def ctl(self, *words):
        # The server keeps what it inherits: no pipe.
        p = subprocess.run([PGBIN + "/pg_ctl", "-s", "-w", "-t", str(LIMIT),
                            "-D", self.data, "-l", HOME + "/log", *words],
                           stdin=subprocess.DEVNULL, timeout=2 * LIMIT,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        if p.returncode != 0:
            raise Wrong("pg_ctl %s: %s" % (words, open(HOME + "/log").read()[-2000:]))

    def argv(self):
        return [PGBIN + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U",
                "postgres", "-h", self.host, "-p", self.port, "-d", "postgres"]

    def ask(self, sql):
        return good(*self.argv(), "-c", sql).strip()

    def rows(self):
        """Number and time of commit of each row, in microseconds."""
        out = self.ask("SELECT i, (extract(epoch FROM pg_xact_commit_timestamp"
                       "(xmin)) * 1000000)::bigint FROM n ORDER BY i")
        return [tuple(map(int, line.split("|"))) for line in out.splitlines()]


class Writer(threading.Thread):
    """Rows 1, 2, 3, …; acked: number -> clock before and after its commit."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.rng = server, random.Random(seed)
        self.over = threading.Event()
        self.acked, self.last = {}, 0

    def session(self):
        p = subprocess.Popen(self.server.argv(), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, bufsize=1,
                             stderr=subprocess.DEVNULL)
        try:
            p.stdin.write("SET synchronous_commit = on;\n")
            while not self.over.is_set():
                self.last += 1
                before = now()
                p.stdin.write("INSERT INTO n VALUES (%d);\n\\echo %d\n" %
                              (self.last, self.last))
                if p.stdout.readline() != "%d\n" % self.last:
                    return
                self.acked[self.last] = (before, now())
                self.over.wait(self.rng.expovariate(50))
        except BrokenPipeError:
            pass
        finally:
            p.kill()
            p.wait()

    def run(self):
        while not self.over.is_set():
            self.session()
            self.over.wait(0.05)

    def stop(self):
        self.over.set()
        self.join(LIMIT)
        if self.is_alive():
            raise Wrong("the writer does not end")


def above(pid):
    """The process that started this one."""
    with open("/proc/%s/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[1]


def programs():
    """Programs of bk that this run started, by process id: they have our
    directory in their words, or are our children."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/comm" % pid) as f:
                comm = f.read().strip()
            if not comm.startswith("bk-"):
                continue
            with open("/proc/%s/cmdline" % pid) as f:
                ours = HOME + "/" in f.read()
            if ours or above(pid) == str(os.getpid()):
                found[int(pid)] = comm
        except OSError:
            pass
    return found


class History:
    def __init__(self, rng, server):
        self.rng, self.server = rng, server
        self.base = None
        self.running = []
        self.kills, self.tally = {}, {}

    def kill(self, only=None):
        """One of the programs that run, at a random moment of its life."""
        until = time.monotonic() + 1
        while not programs() and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(self.rng.choice([0, 0.05, 0.3]) * self.rng.random())
        there = sorted((c, p) for p, c in programs().items()
                       if only is None or c == only)
        if not there:
            return False
        # By name first: there are many of some.
        name = self.rng.choice(sorted({c for c, _ in there}))
        try:
            os.kill(next(p for c, p in there if c == name), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.kills[name] = self.kills.get(name, 0) + 1
        return True

    def end_base(self):
        """Wait for the base backup under way; was it stored?"""
        if self.base is None:
            return False
        stages, self.base = self.base, None
        out, _ = stages[-1].communicate(timeout=2 * LIMIT)
        status = [p.wait(timeout=LIMIT) for p in stages]
        if status[-1] == 0 and b'"requires"' not in out:
            raise Wrong("bk-put ended with 0 and printed %r" % out)
        if -signal.SIGKILL not in status and status[-1] not in (0, 65, 69):
            raise Wrong("base backup: %s" % status)
        return status[-1] == 0

    def do_base(self):
        self.end_base()
        url = "postgres-base://postgres@127.0.0.1:%s/?checkpoint=fast" % self.server.port
        last, stages = subprocess.DEVNULL, []
        for argv in (["bk-dump", "-n", "app", url], ["bk-compress", "-1"],
                     ["bk-put", STORE]):
            p = subprocess.Popen(argv, stdin=last, stdout=subprocess.PIPE,
                                 stderr=open(HOME + "/err", "a"))
            if stages:
                last.close()
            last = p.stdout
            stages.append(p)
        self.base = stages

    def do_switch(self):
        self.server.ask("SELECT pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()")

    def do_prune(self, rule=None):
        self.days(8)
        rule = rule or self.rng.choice([["--keep-last", "2"], ["--cycle", "1,1,1"],
                                        ["--sweep"]])
        p = subprocess.Popen(["bk-prune", *rule, STORE], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
        if self.rng.random() < 0.5:
            self.kill("bk-prune")
        _, err = p.communicate(timeout=LIMIT)
        if p.returncode not in (0, -signal.SIGKILL):
            raise Wrong("bk-prune %s: %d %s" % (rule, p.returncode, err))

    def do_restart(self):
        self.server.ctl("-m", "fast", "restart")

    def do_crash(self):
        self.server.ctl("-m", "immediate", "restart")

    def do_kill(self):
        for _ in range(5):
            self.do_switch()
            if self.kill():
                break

    def days(self, n):
        """Let days pass for what the store remembers."""
        back = datetime.timedelta(days=n)
        for path in (glob.glob(TREE + "/.bk/wal/*.json") +
                     glob.glob(TREE + "/.bk/deleted/*/*.json")):
            with open(path) as f:
                o = json.load(f)
            for part, key in [(o, "deleted")] + [(s, "since") for s in o.get("seen", [])]:
                if key in part:
                    t = datetime.datetime.fromisoformat(part[key].replace("Z", "+00:00"))
                    part[key] = (t - back).strftime("%Y-%m-%dT%H:%M:%SZ")
            with open(path + ".x", "w") as f:
                json.dump(o, f, separators=(",", ":"))
            os.rename(path + ".x", path)

    def live(self, steps):
        """So many steps, each kind of them."""
        kinds = ["base", "switch", "prune", "restart", "crash", "kill"]
        todo = kinds + self.rng.choices(kinds, [3, 2, 2, 1, 1, 5],
                                        k=max(0, steps - len(kinds)))
        self.rng.shuffle(todo)
        for kind in todo:
            getattr(self, "do_" + kind)()
            self.tally[kind] = self.tally.get(kind, 0) + 1
            time.sleep(self.rng.uniform(0, 0.5))

    def archived(self):
        """All of the log is in the store."""
        until = time.monotonic() + LIMIT
        last = self.server.ask("SELECT pg_walfile_name(pg_switch_wal())")
        while not segments(last):
            if time.monotonic() > until:
                raise Wrong("'%s' is not archived" % last)
            # A new one wakes an archiver that rests after three failures.
            self.do_switch()
            time.sleep(0.2)


def segments(name=""):
    return sorted(glob.glob(TREE + "/app/wal/*/*/%s*" % (name or "0" * 7)))


def bases():
    """The base backups in the store, as stop time -> record."""
    lines = good("bk-list", "--plain", "--name", "app", STORE).splitlines()
    records = [json.loads(line) for line in lines]
    return {parsed(r["info"]["stop-time"]): r for r in records}


def restore(*words):
    return run("bk-restore", STORE, "--name", "app", "--into", HOME + "/to/data",
               "--start", *words)


def held():
    """The rows of what was restored; it goes."""
    there = Server(HOME + "/to/data", HOME + "/to", "5499")
    there.ctl("-o", "-c fsync=off -c port=5499 -c listen_addresses= "
              "-c unix_socket_directories=" + HOME + "/to", "start")
    try:
        return [i for i, _ in there.rows()]
    finally:
        there.ctl("-m", "immediate", "stop")
        shutil.rmtree(HOME + "/to/data")


def same(got, want, story):
    if got == want:
        return
    raise Wrong("%s: %d rows, not %d; missing %s, too many %s" % (
        story, len(got), len(want), sorted(set(want) - set(got))[:9],
        sorted(set(got) - set(want))[:9]))


def disturbed(history, moment):
    """A restore that something kills: nothing has its place half."""
    p = subprocess.Popen(["bk-restore", STORE, "--name", "app", "--at", moment,
                          "--into", HOME + "/to/data", "--start"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    only = history.rng.choice([None, "bk-wal-fetch"])
    while p.poll() is None and not history.kill(only):
        pass
    status = p.wait(timeout=LIMIT)
    if status == 0:
        shutil.rmtree(HOME + "/to/data")
    elif os.path.exists(HOME + "/to/data"):
        raise Wrong("restore to %s ended with %d and is there" % (moment, status))
    until = time.monotonic() + 20
    while True:
        left = run("pgrep", "-f", HOME + "/to/").stdout.split()
        if not left:
            break
        if time.monotonic() > until:
            raise Wrong("left running by a killed restore: %s" % left)
        time.sleep(0.05)
    for path in glob.glob(HOME + "/to/.data.bk-*"):
        shutil.rmtree(path)


def moments(history, rows, count):
    rng, start = history.rng, min(bases())
    last = rows[-1][1]
    later = [ts for _, ts in rows if start <= ts - 1 and ts < last]
    picks = [lambda: start, lambda: rng.choice(later),
             lambda: rng.choice(later) - 1, lambda: rng.randrange(start, last)]
    p = restore("--at", stamp(start - 1))
    if p.returncode != 66 or os.path.exists(HOME + "/to/data"):
        raise Wrong("before the first base: %d %s" % (p.returncode, p.stderr))
    for n in range(count):
        at = picks[(n + 1) % len(picks)]()
        story = "moment %d, %s" % (n, stamp(at))
        if rng.random() < 0.4:
            disturbed(history, stamp(at))
        p = restore("--at", stamp(at))
        if p.returncode != 0:
            raise Wrong("%s: %d %s" % (story, p.returncode, p.stderr))
        if '"end":"target"' not in p.stdout:
            raise Wrong("%s: %s" % (story, p.stdout))
        same(held(), [i for i, ts in rows if ts <= at], story)


def gap(rows):
    """Without a segment behind the last base nothing goes past it unsaid."""
    newest = max(bases().items())
    behind = [s for s in segments() if re.match(r"[0-9A-F]{24}-", os.path.basename(s)) and
              os.path.basename(s)[:24] > newest[1]["info"]["stop-wal"]]
    name = os.path.basename(behind[1])[:24]
    os.rename(behind[1], HOME + "/taken")
    for late in False, True:
        if late:
            past = time.time() - 660
            for path in segments():
                os.utime(path, (past, past))
        p = restore("--at", stamp(rows[-1][1]))
        if p.returncode != 65 or os.path.exists(HOME + "/to/data"):
            raise Wrong("past a gap: %d %s%s" % (p.returncode, p.stdout, p.stderr))
        if name not in p.stderr:
            raise Wrong("a gap at '%s' is not named: %s" % (name, p.stderr))
    os.rename(HOME + "/taken", behind[1])


def main(steps, count, seed):
    rng = random.Random(seed)
    server = Server(os.environ["PGDATA"], "127.0.0.1", os.environ["PGPORT"])
    server.ask("SET synchronous_commit = on; CREATE TABLE n (i int)")
    writer = Writer(server, seed)
    history = History(rng, server)
    history.do_base()
    writer.start()
    history.live(steps)
    history.end_base()
    history.do_base()
    if not history.end_base():
        raise Wrong("an undisturbed base backup failed: " + open(HOME + "/err").read())
    history.do_prune(["--cycle", "1,1,1"])
    for _ in range(4):
        history.do_switch()
        time.sleep(0.1)
    writer.stop()
    history.archived()
    rows = server.rows()
    stored = dict(rows)
    for i, (before, after) in writer.acked.items():
        if not before <= stored.get(i, 0) <= after:
            raise Wrong("row %d was acknowledged, and is of %s" % (i, stored.get(i)))
    moments(history, rows, count)
    gap(rows)
    print("seed %d: %d rows, %d bases, %d segments, %d moments; %s; killed %s" % (
        seed, len(rows), len(bases()), len(segments()), count,
        ", ".join("%d %s" % (n, k) for k, n in sorted(history.tally.items())),
        ", ".join("%d %s" % (n, k) for k, n in sorted(history.kills.items()))))


if len(sys.argv) not in (4, 5):
    sys.exit("usage: pitr.py DIR STEPS MOMENTS [SEED]")
HOME, SEED = sys.argv[1], int(sys.argv[4]) if len(sys.argv) == 5 else int.from_bytes(os.urandom(4), "little")
TREE, STORE, PGBIN = HOME + "/store", "file://" + HOME + "/store", os.environ["PGBIN"]
try:
    main(int(sys.argv[2]), int(sys.argv[3]), SEED)
except (Wrong, subprocess.TimeoutExpired) as e:
    print("seed %d: %s" % (SEED, e), file=sys.stderr)
    sys.exit(1)
finally:
    for pid in programs():
        os.kill(pid, signal.SIGKILL)
