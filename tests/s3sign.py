#!/usr/bin/python3
"""s3sign: one signed request to the server of $SERVER or $AWS_ENDPOINT_URL.

	s3sign.py METHOD /BUCKET/KEY[?QUERY] < BODY	prints the answer

Status 1 where the answer is not 2xx.  As a module: Server().ask(...), over one
connection.  Signature version 4 (Amazon S3, "Authenticating requests"); curl
cannot carry an access key with a colon in it.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import sys
import urllib.parse


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Server:
    def __init__(self):
        url = os.environ.get("SERVER") or os.environ["AWS_ENDPOINT_URL"]
        self.host = urllib.parse.urlsplit(url).netloc
        self.conn = http.client.HTTPConnection(self.host)

    def ask(self, method, path, query="", body=b""):
        """Status and body; the query's fields are sorted already."""
        t = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = t[:8] + "/us-east-1/s3/aws4_request"
        h = {"host": self.host, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": t}
        names = ";".join(h)
        path = urllib.parse.quote(path, safe="/~")
        req = "\n".join([method, path, query] + ["%s:%s" % x for x in h.items()] +
                        ["", names, h["x-amz-content-sha256"]])
        text = "\n".join(["AWS4-HMAC-SHA256", t, scope, hashlib.sha256(req.encode()).hexdigest()])
        key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
        for part in scope.split("/"):
            key = mac(key, part)
        h["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            os.environ["AWS_ACCESS_KEY_ID"], scope, names, mac(key, text).hex())
        self.conn.request(method, path + ("?" + query if query else ""), body, h)
        a = self.conn.getresponse()
        return a.status, a.read()


def main():
    path, _, query = sys.argv[2].partition("?")
    status, text = Server().ask(sys.argv[1], path, query, sys.stdin.buffer.read())
    sys.stdout.buffer.write(text)
    sys.exit(status // 100 != 2)


if __name__ == "__main__":
    main()
