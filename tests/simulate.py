"""Some weeks of several jobs on a fake clock: simulate.py SEED WEEKS

Drives bk-supervise --once under faketime and keeps a model of its own of what
must happen: slots that come, stops of days, clocks that are set, both changes
of daylight, a store that is away, supervisor and run killed.  At the end the
ledger, the store and the model agree.  The clock's schedule is bk-cron's.
"""
import datetime as dt
import glob
import json
import os
import random
import select
import signal
import subprocess
import sys

UTC = dt.timezone.utc
HOUR = dt.timedelta(hours=1)
FAR = dt.datetime(9000, 1, 1, tzinfo=UTC)
ZONE = "Europe/Berlin"
JOBS = {"night": ("30 2 * * *", 24 * HOUR), "day": ("@every 11h", 11 * HOUR),
        "week": ("@weekly", 7 * 24 * HOUR)}

rnd = random.Random(int(sys.argv[1]))
weeks = int(sys.argv[2])
faked = subprocess.run(["faketime", "-f", "+0", "printenv", "LD_PRELOAD"],
                       capture_output=True, text=True, check=True).stdout.strip()
slots = {}


def parse(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def after(job, t):
    """The first slot after t."""
    schedule, every = JOBS[job]
    if schedule.startswith("@every"):
        return t + every
    known = slots.setdefault(job, [])
    if not known or not known[0] <= t < known[-1]:
        out = subprocess.run(
            ["bk-cron", "--tz", ZONE, "--count", "400", "--from",
             (t - 8 * 24 * HOUR).isoformat(), schedule],
            capture_output=True, text=True, check=True).stdout
        slots[job] = known = [parse(x) for x in out.split()]
    return next(s for s in known if s > t)


def once(t, crash=False):
    env = dict(os.environ, LD_PRELOAD=faked, TZ="UTC", NO_FAKE_STAT="1",
               FAKETIME="@" + t.strftime("%Y-%m-%d %H:%M:%S"))
    if crash:
        env["CRASH"] = "1"
    p = subprocess.Popen(["bk-supervise", "--once"], env=env,
                         stderr=subprocess.DEVNULL)
    if crash:
        with open("up") as up:
            up.readline()
        p.kill()
        for e in ledger():
            if e["event"] == "started" and e["run"] not in closed():
                fd = os.pidfd_open(e["pid"])
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                # Its locks are free once it is dead.
                select.select([fd], [], [], 30)
                os.close(fd)
    p.wait(timeout=60)
    return p.returncode


def ledger():
    return [json.loads(x) for x in open("state/ledger")]


def closed():
    return {e["run"] for e in ledger()
            if e["event"] in ("committed", "failed") and "run" in e}


class Model:
    def __init__(self, job):
        self.job, self.last, self.open = job, None, None
        self.entries = []

    def due(self, t):
        return t if self.last is None else after(self.job, self.last)

    def step(self, t, outcome):
        """What --once at t has to do; whether it runs the job."""
        if self.open is not None:
            self.entries.append(("failed", self.open))
            self.open = None
        missed = []
        if self.last is None or self.last - t > min(3 * HOUR, JOBS[self.job][1]):
            slot = None
        else:
            slot = after(self.job, self.last)
            if slot > t:
                return False
            while after(self.job, slot) <= t:
                missed.append(slot)
                slot = after(self.job, slot)
        # Of a long stop the last month is told one by one.
        self.entries += [("missed", s) for s in missed[-31:]]
        self.entries += [("due", slot), ("started", slot)]
        if outcome is None:
            self.open = slot
        else:
            self.entries.append((outcome, slot))
        self.last = slot if slot is not None else t
        return True


def next_after(m, t):
    """The first slot of a job after t, when it is up to date till then."""
    slot = m.due(t)
    while slot <= t:
        slot = after(m.job, slot)
    return slot


def settle(models):
    """A slot without a schedule is the moment at which it ran: ask."""
    for m in models.values():
        mine = [e for e in ledger() if e["job"] == m.job and "slot" in e]
        for i, (event, slot) in enumerate(m.entries):
            if slot is None and i >= len(mine):
                sys.exit(f"{m.job}: got {mine[-3:]}, want {m.entries[-3:]}")
            if slot is None:
                m.entries[i] = (event, parse(mine[i]["slot"]))
                m.last = parse(mine[-1]["slot"])
        if m.open is None and m.entries and m.entries[-1][0] == "started":
            m.open = m.entries[-1][1]


def compare(models):
    for m in models.values():
        got = [(e["event"], parse(e["slot"])) for e in ledger()
               if e["job"] == m.job and "slot" in e]
        if got != m.entries:
            for i, (g, w) in enumerate(zip(got + [None], m.entries + [None])):
                if g != w:
                    sys.exit(f"{m.job}, entry {i}: got {g}, want {w}")
    ids = {e["id"] for e in ledger() if e["event"] == "committed"}
    have = {json.load(open(p))["id"]
            for p in glob.glob("store/.bk/manifest/*/*.json")}
    if ids != have:
        sys.exit(f"ledger and store differ: {ids ^ have}")


models = {job: Model(job) for job in JOBS}
now = dt.datetime(2026, 3, 27, 12, tzinfo=UTC)
end = now + weeks * 7 * 24 * HOUR
counts = dict.fromkeys(("run", "stop", "crash", "away", "back", "wrong"), 0)
first = [what for what in counts if what != "run"] + ["crash", "crash"]
rnd.shuffle(first)
jumped = False
while now < end:
    if not jumped and now > end - weeks * 7 * 12 * HOUR:
        # The second half is about the other change of the clocks.
        jumped = True
        ahead = dt.datetime(2026, 10, 23, 12, tzinfo=UTC) - now
        now += ahead
        end += ahead
    due = max(now, min(m.due(now) for m in models.values()))
    due = due if due < FAR else now
    what = rnd.choices(tuple(counts), (60, 6, 6, 8, 6, 2))[0]
    # None is left to chance alone.
    if len(first) > 0 and rnd.random() < 0.5:
        what = first.pop()
    now = due.replace(microsecond=0) + dt.timedelta(seconds=1)
    outcome = "committed"
    if what == "stop":
        now += rnd.randrange(1, 90) * HOUR
    # No slot comes while it runs: that one would be skipped, or not.
    while any(now < s <= now + dt.timedelta(seconds=20)
              for m in models.values() if m.last is not None
              for s in (m.due(now), next_after(m, now))):
        now += dt.timedelta(seconds=30)
    if what == "away":
        outcome = "failed"
        os.rename("store", "gone")
    elif what == "crash":
        outcome = None
    if what == "crash" and sum(m.due(now) <= now for m in models.values()) != 1:
        what, outcome = "run", "committed"
    will = [m.step(now, outcome) for m in models.values()]
    once(now, crash=what == "crash")
    if what == "away":
        os.rename("gone", "store")
    settle(models)
    if what == "back":
        # A little: nothing may run.
        once(now - 2 * HOUR if all(
            m.last - (now - 2 * HOUR) <= min(3 * HOUR, JOBS[m.job][1]) and
            m.due(now) > now for m in models.values()) else now)
    elif what == "wrong":
        later = now + 400 * 24 * HOUR
        for t in (later, now):
            for m in models.values():
                m.step(t, "committed")
            once(t)
            settle(models)
    counts[what] += 1
compare(models)
print(json.dumps(counts), len(ledger()))
