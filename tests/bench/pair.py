#!/usr/bin/env python3
"""pair.py [--rounds N] [--want RATIO] [--bytes N] [--json] TITLE OURS PEER

Time two shell commands against each other: run by turns, so that what slows
the machine slows both, and compared by their medians.  Prints one row: times
faster than the peer (what was wanted), seconds, CPU seconds, and the peaks of
memory of all processes of each side together.

As a module: measure(command) and compare(ours, peer, rounds).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time


def _stat(pid):
    """(session, peak KiB) of a process, or None."""
    try:
        with open("/proc/%s/stat" % pid) as f:
            session = int(f.read().rpartition(")")[2].split()[3])
        with open("/proc/%s/status" % pid) as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return session, int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def _watch(session, stop, peaks):
    """Keep the peak of each process of a session, until told to stop."""
    while not stop.wait(0.05):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            seen = _stat(pid)
            if seen and seen[0] == session and int(pid) != session:
                peaks[pid] = max(peaks.get(pid, 0), seen[1])


def measure(command):
    """Run a shell command: wall and CPU seconds, MiB of all its processes."""
    peaks, stop = {}, threading.Event()
    start = time.monotonic()
    child = subprocess.Popen(["sh", "-c", command + "\n:"], start_new_session=True,
                             stdin=subprocess.DEVNULL)
    watcher = threading.Thread(target=_watch, args=(child.pid, stop, peaks))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    stop.set()
    watcher.join()
    if child.returncode != 0:
        sys.exit("pair.py: status %d: %s" % (child.returncode, command))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime,
            "mib": sum(peaks.values()) / 1024}


def compare(ours, peer, rounds):
    """Medians of both, and the ratio of their times."""
    runs = [(measure(ours), measure(peer)) for _ in range(rounds)]

    def middle(side, key):
        return statistics.median(r[side][key] for r in runs)

    res = {k: {"ours": middle(0, k), "peer": middle(1, k)}
           for k in ("wall", "cpu", "mib")}
    res["ratio"] = statistics.median(p["wall"] / o["wall"] for o, p in runs)
    return res


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n", 1)[0])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--want", type=float)
    ap.add_argument("--bytes", type=int, help="bytes moved: show MB/s of ours")
    ap.add_argument("--json", action="store_true")
    ap.add_argument("title")
    ap.add_argument("ours")
    ap.add_argument("peer")
    a = ap.parse_args()
    measure(a.ours)                     # warm the page cache
    r = compare(a.ours, a.peer, a.rounds)
    if a.json:
        print(json.dumps(dict(r, title=a.title, want=a.want)))
        return
    row = "%-34s %5.2f times" % (a.title, r["ratio"])
    if a.want is not None:
        row += " (%s %.2f)" % ("ok," if r["ratio"] >= a.want else "MISSED,", a.want)
    for key, unit in (("wall", "s"), ("cpu", "s cpu"), ("mib", "MiB")):
        row += "; %.2f : %.2f %s" % (r[key]["ours"], r[key]["peer"], unit)
    if a.bytes:
        row += "; %.0f MB/s" % (a.bytes / r["wall"]["ours"] / 1e6)
    print(row, flush=True)


if __name__ == "__main__":
    main()
