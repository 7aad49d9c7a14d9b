#!/usr/bin/python3
"""many: very many backups at once, for the benchmarks of listing and pruning.

	many.py store DIR N		a store in a directory, payloads without data
	many.py s3 BUCKET/PREFIX N	manifests alone, on the server of tests/s3sign.py
	many.py restic REPO N		as many snapshots in a new repository of restic's

Four names, one backup every quarter of an hour up to now.  restic's snapshots
are made as restic makes them (its design document, "Repository Format" and
"Keys, Encryption and MAC"); to run it 100,000 times would take a day.
"""

import base64
import datetime
import hashlib
import json
import os
import subprocess
import sys

NAMES = ("app", "billing", "users", "web")
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"	# Crockford's, of a ULID
STEP = 900


def ulid(seconds, i):
    v = (int(seconds * 1000) << 80) | (i * 0x9E3779B97F4A7C15 % (1 << 80))
    return "".join(DIGITS[v >> 5 * k & 31] for k in reversed(range(26)))


def records(n):
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=n * STEP)
    for i in range(n):
        t = start + datetime.timedelta(seconds=i * STEP)
        name, id = NAMES[i % len(NAMES)], ulid(t.timestamp(), i)
        when, size = t.strftime("%Y-%m-%dT%H:%M:%SZ"), 100000 + i % 1000
        sha = hashlib.sha256(id.encode()).hexdigest()
        yield {
            "bk": "backup/1", "id": id, "name": name, "engine": "postgres", "ext": "dump",
            "source": {"engine": "postgres", "server": "7291284710293847561", "database": name},
            "time": when, "finished": when, "host": "db1.example.net", "trigger": "schedule",
            "run": id, "group": None, "parent": None,
            "key": "%s/%s-%s-%s.postgres.dump.gz" % (name, name, t.strftime("%Y%m%dT%H%M%SZ"), id),
            "bytes": size, "sha256": sha, "filters": [{"filter": "gzip", "ext": "gz"}],
            "stages": [{"stage": "postgres", "bytes": 4 * size, "sha256": sha}, {"stage": "gzip", "bytes": size}],
            "tags": {"tier": "app", "env": "prod"}, "info": {"proof": "exit", "server": "15.15"}}


def text(rec):
    return json.dumps(rec, separators=(",", ":")).encode() + b"\n"


def to_store(top, n):
    for name in NAMES:
        os.makedirs("%s/.bk/manifest/%s" % (top, name))
        os.makedirs("%s/%s" % (top, name))
    for rec in records(n):
        with open("%s/.bk/manifest/%s/%s.json" % (top, rec["name"], rec["id"]), "wb") as f:
            f.write(text(rec))
        with open("%s/%s" % (top, rec["key"]), "wb") as f:
            f.truncate(rec["bytes"])


def to_s3(where, n):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
    import s3sign
    server = s3sign.Server()
    for rec in records(n):
        status, answer = server.ask("PUT", "/%s/.bk/manifest/%s/%s.json" % (where, rec["name"], rec["id"]),
                                    body=text(rec))
        if status != 200:
            sys.exit("many.py: status %d: %r" % (status, answer))


def to_restic(repo, n):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.poly1305 import Poly1305
    restic = ["restic", "--no-cache", "-q", "-r", repo]
    subprocess.run(restic + ["init", "--repository-version", "1"], check=True, stdout=subprocess.DEVNULL)
    key = json.loads(subprocess.run(restic + ["cat", "masterkey"], check=True, stdout=subprocess.PIPE).stdout)
    secret, mac_k, mac_r = (base64.b64decode(k) for k in (key["encrypt"], key["mac"]["k"], key["mac"]["r"]))
    once = Cipher(algorithms.AES(mac_k), modes.ECB()).encryptor()
    for rec in records(n):
        nonce = os.urandom(16)
        enc = Cipher(algorithms.AES(secret), modes.CTR(nonce)).encryptor()
        body = enc.update(json.dumps({
            "time": rec["time"], "tree": rec["sha256"], "paths": ["/" + rec["name"]], "hostname": rec["host"],
            "username": "root", "uid": 0, "gid": 0}).encode()) + enc.finalize()
        data = nonce + body + Poly1305.generate_tag(mac_r + once.update(nonce), body)
        with open("%s/snapshots/%s" % (repo, hashlib.sha256(data).hexdigest()), "wb") as f:
            f.write(data)


def main():
    {"store": to_store, "s3": to_s3, "restic": to_restic}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))


if __name__ == "__main__":
    main()
