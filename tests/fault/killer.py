#!/usr/bin/env python3
"""killer.py STORE KILLS [SEED]: kill the stages of a backup at random moments.

Each round starts `bk-dump | bk-compress | bk-put STORE`, by turns of data
made up and of a command, and kills one stage, or all, by SIGKILL after a
random time (half of them near the end, where the commit is).  Afterwards:

- every other stage ends by itself, and no process that any started is left;
- a status of 0 from bk-put means one new backup is listed, and no backup is
  listed twice or under another name;
- what is listed restores completely (bk-restore compares every byte);
- the backup of before the first round is listed and restores.

Prints one line that counts; the seed makes the same choices again.  Status
1 and the round's story where anything of this is not so.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

# Payloads: none of the store's parts, some, several (a part is 8 MiB).
SIZES = (2000, 900000, 13000000)
LIMIT = 30			# seconds for a stage to end by itself


class Wrong(Exception):
    pass


class Source:
    """A payload of this size: made up, or the output of a command."""

    def __init__(self, size, seed, command):
        self.size = size
        self.url = "fake:?bytes=%d&seed=%d" % (size, seed)
        self.command = []
        if command:
            self.url = "exec:"
            self.command = ["--", "cat", "payload-%d" % size]

    def restores(self, record):
        compare = self.command and ["--", "cmp", "-", self.command[2]]
        p = subprocess.run(["bk-restore", "--into", self.url] + compare,
                           input=json.dumps(record).encode() + b"\n",
                           capture_output=True, timeout=LIMIT)
        if p.returncode != 0:
            raise Wrong("does not restore: %d %s" % (p.returncode,
                                                     p.stderr.decode()))


class Pipeline:
    """The three stages; whatever they start has their mark."""

    def __init__(self, store, name, source):
        self.mark = b"KILLER_ROUND=%d-%s" % (os.getpid(), name.encode())
        key, value = self.mark.decode().split("=")
        stages = (["bk-dump", "--name", name, source.url] + source.command,
                  ["bk-compress", "-1", "--threads", "2"],
                  ["bk-put", "--timeout", "10s", store])
        self.stages = []
        last = subprocess.DEVNULL
        for argv in stages:
            p = subprocess.Popen(argv, stdin=last, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL,
                                 env=dict(os.environ, **{key: value}))
            if self.stages:
                last.close()
            last = p.stdout
            self.stages.append(p)

    def left(self):
        """Processes with our mark that are neither gone nor dead."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    if self.mark in f.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def finish(self):
        """Wait for all; their statuses and what bk-put printed."""
        out, _ = self.stages[-1].communicate(timeout=LIMIT)
        for p in self.stages:
            p.wait(timeout=LIMIT)
        until = time.monotonic() + 5
        while self.left():
            if time.monotonic() > until:
                raise Wrong("left running: %s" % self.left())
            time.sleep(0.01)
        return [p.returncode for p in self.stages], out


def listed(store, name=None):
    p = subprocess.run(["bk-list", store] + (["--name", name] if name else []),
                       capture_output=True, timeout=LIMIT)
    lines = [json.loads(text) for text in p.stdout.splitlines()]
    if p.returncode not in (0, 1) or not lines or lines[-1]["end"] != "ok":
        raise Wrong("bk-list: %d %s" % (p.returncode, p.stderr.decode()))
    if p.returncode != (0 if lines[1:] else 1) or "unreadable" in lines[-1]:
        raise Wrong("bk-list: %d with %s" % (p.returncode, lines[-1]))
    return lines[:-1]


def one(store, rng, i, took, tally, late_ones):
    size = rng.choice(SIZES[:2] + SIZES[i % 3:])
    victim = rng.randrange(4)
    when = rng.uniform(0, 1) if i % 2 else rng.uniform(0.6, 1)
    name = "round-%d" % i
    source = Source(size, i, i // 2 % 2)
    begun = time.monotonic()
    running = Pipeline(store, name, source)
    # The random moment is what this test is about; nothing waits on it.
    time.sleep(when * took[size])
    for p in running.stages if victim == 3 else [running.stages[victim]]:
        if p.poll() is None:
            p.kill()
    waited = when * took[size]
    late = all(p.poll() is not None for p in running.stages)
    status, out = running.finish()
    killed = -signal.SIGKILL in status
    if not killed:		# the machine's load changes: so does the guess
        took[size] = waited if late else time.monotonic() - begun
    new = listed(store, name)
    story = "size %d, victim %d at %.0f ms, statuses %s, %d listed" % (
        size, victim, waited * 1000, status, len(new))
    if len(new) > 1:
        raise Wrong("listed twice: " + story)
    if status[2] == 0 and not new:
        raise Wrong("0 and not listed: " + story)
    if status[2] > 0 and (new or b'"end":"failed"' not in out):
        raise Wrong("failed, but listed or not said: " + story)
    if not killed and status != [0, 0, 0]:
        raise Wrong("failed unharmed: " + story)
    for record in new:
        source.restores(record)
    if status[2] == -signal.SIGKILL and not new:
        late_ones[name] = source
    tally["killed"] += killed
    tally["listed"] += len(new)
    tally["zero"] += status[2] == 0
    return story


def main(store, kills, seed):
    rng = random.Random(seed)
    took = {}
    for size in SIZES:
        with open("payload-%d" % size, "wb") as f:
            f.write(rng.randbytes(size))
        begun = time.monotonic()
        running = Pipeline(store, "before", Source(size, 0, False))
        if running.finish()[0] != [0, 0, 0]:
            raise Wrong("does not even work unharmed")
        took[size] = time.monotonic() - begun
    before = listed(store)
    tally = {"killed": 0, "listed": 0, "zero": 0}
    # A server may carry out a request after the death of who sent it.
    late_ones = {}
    rounds = 0
    while tally["killed"] < kills:
        rounds += 1
        if rounds > 10 * kills:
            raise Wrong("the stages are too fast to be killed: %s" % tally)
        try:
            one(store, rng, rounds, took, tally, late_ones)
        except (Wrong, subprocess.TimeoutExpired) as e:
            raise Wrong("seed %d, round %d: %s" % (seed, rounds, e)) from e
    after = listed(store)
    if [r for r in after if r["name"] == "before"] != before:
        raise Wrong("seed %d: earlier backups changed" % seed)
    late = [r for r in after if r["name"] in late_ones]
    for record in late:
        late_ones.pop(record["name"]).restores(record)
    if len(after) != len(before) + tally["listed"] + len(late):
        raise Wrong("seed %d: listed twice, or no longer: %d" % (seed,
                                                                 len(after)))
    for record, size in zip(sorted(before, key=lambda r: r["stages"][0]
                                   ["bytes"]), SIZES):
        Source(size, 0, False).restores(record)
    print("seed %d: %d rounds, %d killed, %d listed, %d with status 0" % (
        seed, rounds, tally["killed"], tally["listed"], tally["zero"]))


if len(sys.argv) not in (3, 4):
    sys.exit("usage: killer.py STORE KILLS [SEED]")
try:
    main(sys.argv[1], int(sys.argv[2]),
         int(sys.argv[3]) if len(sys.argv) == 4 else
         int.from_bytes(os.urandom(4), "little"))
except Wrong as e:
    print(e, file=sys.stderr)
    sys.exit(1)
