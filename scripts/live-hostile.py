#!/usr/bin/env python3
"""Slow heads and thousands of streams against `restage up`: who behaves must not notice.

    scripts/live-hostile.py [--heads 200] [--streams 5000]

Starts the release build on free ports of the loopback address, opens connections that send their head byte
by byte, and streams of as many visitors, one of which never reads: its visitor is decided for until the
serving layer lets go of it. Meanwhile new browsers send an event and wait for its decision. Prints what it saw
as JSON; exit code 1 if a bound does not hold.
"""
import argparse, asyncio, json, pathlib, re, resource, socket, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


# One change an event: whoever puts something into the basket sees another banner than who takes it out again.
POLICY = """
version = 1
name = "flips"
[bots]
events_per_minute = 0
gaps = 0
[stability]
cooldown = "0s"
min_gain = 0.0
changes_max = 1000000
[[slot]]
name = "banner"
default = "brand"
  [[slot.arm]]
  name = "brand"
  [[slot.arm]]
  name = "basket"
  when = { cart_size = { min = 1 } }
  [[slot.rule]]
  arm = "basket"
  when = { cart_size = { min = 1 } }
  gain = 0.5
"""


async def ask(address, text, until=None, limit=10.0):
    """Sends a request; the answer up to a text, or to its end, and the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(text.encode())
    got = b""
    end = time.monotonic() + limit
    while until is None or until.encode() not in got:
        piece = await asyncio.wait_for(reader.read(65536), max(0.01, end - time.monotonic()))
        if not piece:
            break
        got += piece
    return got.decode(), reader, writer


def post(path, body):
    body = json.dumps(body)
    return (f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}")


async def token(address):
    answer, _, writer = await ask(address, post("/v1/session", {"key": "wk_demo"}))
    writer.close()
    return re.search(r'"token":"([^"]+)"', answer).group(1)


def stream_of(text):
    return f"GET /v1/stream?token={text} HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def probe(address):
    """A new browser's first event to its first decision, in ms."""
    text = await token(address)
    _, reader, writer = await ask(address, stream_of(text), until="beat")
    begin, now = time.monotonic(), int(time.time() * 1000)
    event = {"event_ms": now, "kind": "item_view", "item": "i3"}
    sent = asyncio.create_task(ask(address, post("/v1/events", {"key": "wk_demo", "token": text, "sent_at": now, "events": [event]})))
    got = b""
    while b"event: decision" not in got:
        piece = await asyncio.wait_for(reader.read(65536), 5)
        if not piece:
            raise RuntimeError("the stream ended")
        got += piece
    took = (time.monotonic() - begin) * 1000
    (await sent)[2].close()
    writer.close()
    return took


async def slow_head(address):
    """Seconds until a connection that never ends its head is closed."""
    reader, writer = await asyncio.open_connection(*address)
    begin = time.monotonic()
    text = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\nx-slow: " + b"a" * 60
    try:
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            done = await asyncio.wait_for(reader.read(1), 0.5)
            if done is not None:
                return time.monotonic() - begin
    except asyncio.TimeoutError:
        pass
    except (ConnectionError, OSError):
        return time.monotonic() - begin
    for _ in range(40):
        try:
            writer.write(b"a")
            await writer.drain()
            await asyncio.wait_for(reader.read(1), 0.5)
            return time.monotonic() - begin
        except asyncio.TimeoutError:
            continue
        except (ConnectionError, OSError):
            return time.monotonic() - begin
    return None


def stream_that_is_never_read(address, text):
    """With little room on the way, so that what is not read is soon in the server's way."""
    never = socket.socket()
    never.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    never.connect(address)
    never.sendall(stream_of(text).encode())
    return never


async def flip(address, text):
    """Two hundred changes for one visitor."""
    now = int(time.time() * 1000)
    kinds = ["add_to_cart", "remove_from_cart"] * 100
    events = [{"event_ms": now, "kind": kind, "item": "i3", "price": 20, "quantity": 1} for kind in kinds]
    await ask(address, post("/v1/events", {"key": "wk_demo", "token": text, "sent_at": now, "events": events}))


async def lagging(monitor):
    answer, _, writer = await ask(monitor, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    writer.close()
    count = lambda name: int(re.search(rf"^{name} (\d+)", answer, re.M).group(1))
    return count("restage_serve_streams_lagging_total"), count("restage_http_slow_heads_total")


async def run(address, monitor, heads, streams):
    tokens = [await token(address) for _ in range(streams)]
    quiet = sorted([await probe(address) for _ in range(40)])
    opened = []
    # The first never reads, though its visitor goes on; all others are only open.
    never = tokens[0]
    never_read = stream_that_is_never_read(address, never)
    for text in tokens[1:]:
        _, reader, writer = await ask(address, stream_of(text), until="beat")
        opened.append((reader, writer))
    slow = [asyncio.create_task(slow_head(address)) for _ in range(heads)]
    busy = []
    for _ in range(40):
        await flip(address, never)
        busy.append(await probe(address))
    busy.sort()
    closed = [one for one in await asyncio.gather(*slow) if one is not None]
    for _ in range(100):
        (dropped, too_slow) = await lagging(monitor)
        if dropped:
            break
        await flip(address, never)
    for _, writer in opened:
        writer.close()
    never_read.close()
    return {"streams": len(opened) + 1, "streams_lagging": dropped, "slow_heads_counted": too_slow, "slow_heads": heads, "slow_heads_closed": len(closed),
            "closed_after_s_max": round(max(closed), 1) if closed else None,
            "event_to_decision_ms": {"before": round(quiet[20], 1), "meanwhile_p50": round(busy[20], 1), "meanwhile_max": round(busy[-1], 1)}}


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--heads", type=int, default=200)
    flags.add_argument("--streams", type=int, default=5000)
    flags = flags.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "collect.toml")
        config.write_text('[keys]\nwrite = ["wk_demo"]\n[limits]\nbrowser_events_per_second = 100000\n')
        policy = pathlib.Path(folder, "flips.toml")
        policy.write_text(POLICY)
        up = subprocess.Popen([ROOT / "target/release/restage", "up", "--dir", f"{folder}/data", "--config", config, "--policy", policy,
                               "--listen", "127.0.0.1:0", "--monitor", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        try:
            listens = []
            while len(listens) < 2 and (line := up.stderr.readline()):
                if found := re.search(r"http://([^:]+):(\d+)", line):
                    listens.append((found[1], int(found[2])))
            shop, monitor = listens
            said = asyncio.run(asyncio.wait_for(run(shop, monitor, flags.heads, flags.streams), 240))
        finally:
            up.terminate()
            up.wait(10)
    print(json.dumps(said))
    held = said["slow_heads_closed"] == said["slow_heads_counted"] == flags.heads and said["streams_lagging"] == 1 and said["event_to_decision_ms"]["meanwhile_max"] < 1000
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
