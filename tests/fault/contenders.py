#!/usr/bin/python3
"""contenders.py URL [--seconds N] [--term MS] [--hosts N] [--seed N]

Hosts that contend for one lease on the store at URL, each a bk-lease whose
command works, storing backups with bk-put --lease, until it has had enough.
They are killed and suspended at random: the whole host, or bk-lease alone,
whose command then works on.  Afterwards:

- no two worked at the same time, but for a holder that was suspended;
- no put that was begun after another had the lease was committed;
- whenever nobody worked it took no more than two terms until somebody did.

Status 0 if that held; the seed is printed first.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

WORK = r"""
holder=${BK_LEASE##*holder\":\"} holder=${holder%%\"*}
say() { echo "$1 $holder $EPOCHREALTIME ${*:2}" >> "$LOG"; }
exec 9<> <(:)
puts() {
	local n=0
	while :; do
		n=$((n + 1))
		say put "$n"
		bk-dump --name site -t "try=$holder-$n" 'fake:?bytes=100' 2> /dev/null |
		    bk-put --lease "$URL" > /dev/null 2>&1
		say done "$n" $?
		read -rt 0.1 -u 9
	done
}
say begin
puts &
for ((i = RANDOM % 150 + 20; i > 0; i--)); do
	say beat
	read -rt 0.02 -u 9
done
say end
kill $! 2> /dev/null
wait
"""


def members(sessions):
    """The processes of these sessions: bk-lease and all below it."""
    found = []
    for d in os.listdir("/proc"):
        if not d.isdigit():
            continue
        try:
            with open(f"/proc/{d}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[3]) in sessions:
                    found.append(int(d))
        except (OSError, IndexError):
            pass
    return found


class Host:
    sessions = []           # of all, the dead too

    def __init__(self, a, env):
        self.until, self.asleep = 0.0, None
        self.cmd = ["bk-lease", "--name", "site", "--term", f"{a.term}ms",
                    a.url, "--", "bash", "-c", WORK]
        self.env = env
        self.start()

    def start(self):
        self.p = subprocess.Popen(self.cmd, env=self.env,
                                  stderr=subprocess.DEVNULL,
                                  start_new_session=True)
        Host.sessions.append(self.p.pid)

    def pids(self):
        return members([self.p.pid])

    def holder(self):
        """What its command was told, or None."""
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    for v in f.read().split(b"\0"):
                        if v.startswith(b"BK_LEASE="):
                            return json.loads(v[9:])["holder"]
            except (OSError, ValueError):
                pass
        return None

    def signal(self, signo, whole):
        for pid in self.pids() if whole else [self.p.pid]:
            try:
                os.kill(pid, signo)
            except ProcessLookupError:
                pass


def harm(hosts, a, counts, slept):
    end = time.time() + a.seconds
    step = a.term / 1000
    while time.time() < end:
        time.sleep(random.uniform(0.05, 0.3) * step)
        now = time.time()
        for h in hosts:
            if h.asleep is not None and now >= h.until:
                h.signal(signal.SIGCONT, True)
                slept.append((*h.asleep, now))
                h.asleep = None
            if h.asleep is None and h.p.poll() is not None:
                h.start()
        holders = [h for h in hosts if h.asleep is None and h.holder()]
        h = random.choice(holders if holders and random.random() < 0.8
                          else hosts)
        if h.asleep is not None or h.p.poll() is not None:
            continue
        what = random.choice(("kill", "sleep", "half", "half", "nothing",
                              "term"))
        counts[what] = counts.get(what, 0) + 1
        if what == "kill":
            h.signal(signal.SIGKILL, random.random() < 0.5)
        elif what == "term":
            h.signal(signal.SIGTERM, False)
        elif what != "nothing":
            h.asleep = (h.holder(), now)
            h.until = now + random.choice((0.3, 1.7, 2.5)) * step
            h.signal(signal.SIGSTOP, what == "sleep")
    for h in hosts:
        if h.asleep is not None:
            slept.append((*h.asleep, time.time()))
        h.signal(signal.SIGCONT, True)
        h.signal(signal.SIGTERM, False)
    for h in hosts:
        h.p.wait(10)
    # What the killed ones have left, which still tries to store.
    for pid in members(Host.sessions):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def judge(log, slept, listed, a, counts):
    bad = []
    step = a.term / 1000
    tenures, puts = {}, {}
    for line in log:
        what, holder, when, *rest = line.split()
        when = float(when)
        t = tenures.setdefault(holder, [when, when])
        if what == "put":
            puts[f"{holder}-{rest[0]}"] = when
        elif what != "done":
            t[1] = max(t[1], when)
        elif rest[1] == "75":
            counts["refused"] = counts.get("refused", 0) + 1
    order = sorted(tenures, key=lambda h: tenures[h][0])
    dozed = {h for h, begin, end in slept if end - begin > step / 4}
    for i, h in enumerate(order):
        for other in order[i + 1:]:
            begin = tenures[other][0]
            if begin < tenures[h][1] and h not in dozed:
                bad.append(f"{h} and {other} worked at the same time")
            for n in listed:
                if n.startswith(h) and puts[n] > begin:
                    bad.append(f"{n} was begun when {other} had the lease, "
                               "and committed")
    idle = 0.0
    for h, after in zip(order, order[1:]):
        last = max(tenures[x][1] for x in order[:order.index(after)])
        idle = max(idle, tenures[after][0] - last)
    # One term more where the machine is loaded.
    if idle > 3 * step:
        bad.append(f"nobody worked for {idle:.1f} s")
    counts.update(tenures=len(order), commits=len(listed),
                  idle=round(idle, 2))
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("url")
    p.add_argument("--seconds", type=float, default=7)
    p.add_argument("--term", type=int, default=1000)
    p.add_argument("--hosts", type=int, default=8)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    a = p.parse_args()
    random.seed(a.seed)
    print(f"seed {a.seed}:", end=" ", flush=True)
    counts, slept = {}, []
    with tempfile.TemporaryDirectory() as d:
        log = f"{d}/log"
        env = dict(os.environ, LOG=log, URL=a.url)
        hosts = [Host(a, env) for _ in range(a.hosts)]
        harm(hosts, a, counts, slept)
        with open(log) as f:
            lines = f.read().splitlines()
    out = subprocess.run(["bk-list", "--plain", a.url],
                         capture_output=True, text=True, check=True).stdout
    listed = [json.loads(r)["tags"]["try"] for r in out.splitlines()]
    bad = judge(lines, slept, listed, a, counts)
    print(" ".join(f"{n} {k}" for k, n in sorted(counts.items())))
    for b in bad:
        print(b)
    sys.exit(1 if bad or not listed or counts["tenures"] < 5 else 0)


main()
