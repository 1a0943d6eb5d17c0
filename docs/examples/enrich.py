#!/usr/bin/env python3
"""Adds columns of a record to each row of a CSV file.

    PROFILE_KEY=... enrich.py --url https://profile.example.com/api/v1/ \\
        --entity 2 --id-column email --add plan,seats orders.csv >out.csv

Asks for each id once, over a few connections that are kept, and waits when
the server says so. Python's own library only.
"""

import argparse
import collections
import concurrent.futures
import csv
import email.utils
import hashlib
import http.client
import json
import os
import random
import re
import sqlite3
import sys
import threading
import time
import urllib.parse

TRIES = 6
LONGEST_WAIT = 120
TOLD_WAIT = 2
TIMEOUT = 30


class Failed(Exception):
    """Nothing more can come of this run."""


class Number(str):
    """A number as the source wrote it."""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        epilog="The key is read from the environment: PROFILE_KEY.")
    parser.add_argument("--url", required=True,
                        help="of the API, up to and without \"entities\"")
    parser.add_argument("--entity", required=True, type=int)
    parser.add_argument("--id-column", required=True, metavar="COLUMN",
                        help="the column of FILE that has the record's id")
    parser.add_argument("--add", required=True, metavar="COLUMN,...",
                        help="columns of the record to add")
    parser.add_argument("--prefix", default="",
                        help="put before the names of the added columns")
    parser.add_argument("--connections", type=int, default=4, metavar="N",
                        help="requests at a time (default: 4)")
    parser.add_argument("--cache", metavar="FILE",
                        help="keep records here, and ask only what is new")
    parser.add_argument("file", help="a CSV file, - for standard input")

    given = parser.parse_args()

    if not 1 <= given.connections <= 32:
        parser.error("--connections is from 1 to 32")

    return given


# -- records kept from the last run -----------------------------------------

class Cache:
    """Bodies and their ETags, in a file that is for its owner alone."""

    def __init__(self, path):
        self.lock = threading.Lock()

        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("CREATE TABLE IF NOT EXISTS record"
                        " (url TEXT PRIMARY KEY, etag TEXT, body BLOB)")

    def get(self, url):
        with self.lock:
            row = self.db.execute("SELECT etag, body FROM record"
                                  " WHERE url = ?", (url,)).fetchone()
        return row or (None, None)

    def put(self, url, etag, body):
        with self.lock:
            if etag is None:
                self.db.execute("DELETE FROM record WHERE url = ?", (url,))
            else:
                self.db.execute("INSERT OR REPLACE INTO record"
                                " VALUES (?, ?, ?)", (url, etag, body))

    def close(self):
        self.db.commit()
        self.db.close()


# -- requests ---------------------------------------------------------------

class Api:
    def __init__(self, url, entity, key, cache):
        parts = urllib.parse.urlsplit(url)

        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failed("--url is no address of a server")

        self.kind = (http.client.HTTPSConnection if parts.scheme == "https"
                     else http.client.HTTPConnection)
        self.host = parts.hostname
        self.port = parts.port
        self.path = (parts.path.rstrip("/")
                     + f"/entities/{entity}/record?record_id=")
        self.key = key
        self.cache = cache

        # Another key may see other records: they are not mixed up.
        self.mark = hashlib.sha256(f"{url}\n{key}".encode()).hexdigest()
        self.local = threading.local()
        self.lock = threading.Lock()
        self.not_before = 0.0
        self.failure = None

    def record(self, record_id):
        """As find(); the first failure ends all that would come after it."""

        try:
            return self.find(record_id)
        except Exception as error:
            self.stop(error)
            raise

    def stop(self, error):
        with self.lock:
            self.failure = self.failure or error

    def find(self, record_id):
        """The record's members, or None where there is no such record."""

        path = self.path + urllib.parse.quote(record_id, safe="")
        url = self.mark + path
        etag, kept = self.cache.get(url) if self.cache else (None, None)

        for tried in range(1, TRIES + 1):
            self.rest()
            status, headers, body = self.ask(path, etag)

            if status in (200, 304):
                if status == 304:
                    body = kept
                elif self.cache and headers.get("ETag"):
                    self.cache.put(url, headers["ETag"], body)
                return members(body)

            code = error_code(body)

            if status == 404 and code == "record_not_found":
                if etag:
                    self.cache.put(url, None, None)
                return None

            if status == 400 and code in ("invalid_record_id",
                                          "missing_record_id"):
                return None

            if status not in (0, 429, 502, 503, 504):
                raise Failed(f"the server answers {status} "
                             + (code or "without a code, is --url right?"))

            if tried < TRIES:
                self.wait(tried, headers, status)

        raise Failed("the server cannot be reached" if status == 0 else
                     f"the server still answers {status} {code}")

    def ask(self, path, etag):
        headers = {"Authorization": f"Bearer {self.key}",
                   "Accept": "application/json"}

        if etag:
            headers["If-None-Match"] = etag

        # A kept connection may have been closed meanwhile, by anybody: that
        # is no failure yet.
        for fresh in (False, True):
            connection = getattr(self.local, "connection", None)

            if connection is None or fresh:
                fresh = True
                connection = self.kind(self.host, self.port, timeout=TIMEOUT)
                self.local.connection = connection

            try:
                connection.request("GET", path, headers=headers)
                reply = connection.getresponse()
                return reply.status, reply.headers, reply.read()

            except (OSError, http.client.HTTPException):
                connection.close()
                self.local.connection = None
                if fresh:
                    break

        return 0, {}, b""

    def wait(self, tried, headers, status):
        """One refusal makes all connections wait, and one says so."""

        seconds = retry_after(headers.get("Retry-After"))

        if seconds is None:
            seconds = min(30, 2 ** (tried - 1)) * random.uniform(0.5, 1)

        if seconds > LONGEST_WAIT:
            raise Failed(f"the server asks to wait {seconds:.0f} seconds")

        with self.lock:
            longer = time.monotonic() + seconds - self.not_before
            self.not_before += max(0, longer)

        if seconds >= TOLD_WAIT and longer > 1:
            what = f"the server answers {status}" if status else "no answer"
            say(f"{what}; asking again in {seconds:.0f} s")

    def rest(self):
        while True:
            with self.lock:
                left = self.not_before - time.monotonic()
                failure = self.failure
            if failure:
                raise failure
            if left <= 0:
                return
            time.sleep(min(left, 1))


def say(text):
    print(f"enrich: {text}", file=sys.stderr)


def retry_after(value):
    """Seconds, or a date."""

    if not value:
        return None

    if re.fullmatch("[0-9]{1,9}", value.strip()):
        return float(value)

    try:
        then = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None

    return max(0.0, then.timestamp() - time.time())


def error_code(body):
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError, TypeError):
        return ""


# -- values -----------------------------------------------------------------

def members(body):
    try:
        data = json.loads(body, parse_int=Number, parse_float=Number,
                          parse_constant=Number)["data"]
    except (ValueError, KeyError, TypeError):
        raise Failed("this is not the Profile API") from None

    if not isinstance(data, dict):
        raise Failed("this is not the Profile API")

    return data


def field(value):
    """A value as a CSV field: null is empty, a list or an object is JSON."""

    if value is None:
        return ""

    return value if isinstance(value, str) else as_json(value)


def as_json(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{as_json(name)}:{as_json(each)}"
                              for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"

    return json.dumps(value, ensure_ascii=False)


# -- the job ----------------------------------------------------------------

def enrich(given, api, reader, writer):
    columns = [name for name in given.add.split(",") if name]
    header = next(reader, None)

    if header is None:
        raise Failed("the file has no header")
    if given.id_column not in header:
        raise Failed(f"the file has no column {given.id_column}")

    at = header.index(given.id_column)
    writer.writerow(header + [given.prefix + name for name in columns])

    counts = collections.Counter()
    known = collections.OrderedDict()
    waiting = collections.deque()

    def ask(record_id):
        record = api.record(record_id)

        if record is None:
            return None

        return [field(record.get(name)) for name in columns]

    def write(row, future):
        fields = future.result() if future else None
        counts["rows"] += 1
        counts["without"] += fields is None
        writer.writerow(row + (fields or [""] * len(columns)))

    with concurrent.futures.ThreadPoolExecutor(given.connections) as pool:
        try:
            for row in reader:
                if not row:
                    continue

                # A row may be shorter than its header.
                row += [""] * (len(header) - len(row))
                record_id = row[at]

                if record_id and record_id not in known:
                    known[record_id] = pool.submit(ask, record_id)
                    counts["ids"] += 1

                waiting.append((row, known.get(record_id)))

                # Only so much is kept in memory.
                while len(waiting) > 1000:
                    write(*waiting.popleft())
                while len(known) > 100000:
                    known.popitem(last=False)

            while waiting:
                write(*waiting.popleft())

        except BaseException as error:
            api.stop(error)
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    return counts


def main():
    given = arguments()
    key = os.environ.get("PROFILE_KEY", "")
    cache = None

    try:
        if not re.fullmatch("[!-~]+", key):
            raise Failed("PROFILE_KEY is not set to a key")

        cache = Cache(given.cache) if given.cache else None
        api = Api(given.url, given.entity, key, cache)
        source = open(0 if given.file == "-" else given.file, newline="",
                      encoding="utf-8-sig")

        with source:
            sys.stdout.reconfigure(newline="", encoding="utf-8")
            counts = enrich(given, api, csv.reader(source),
                            csv.writer(sys.stdout, lineterminator="\n"))
        sys.stdout.flush()

    except (Failed, OSError, UnicodeError, csv.Error, sqlite3.Error) as error:
        say(error)
        return 1

    except KeyboardInterrupt:
        return 130

    finally:
        if cache:
            cache.close()

    say(f"{counts['rows']} rows, {counts['without']} without a record, "
        f"{counts['ids']} ids asked for")

    return 0


if __name__ == "__main__":
    sys.exit(main())
