"""What all sides in Python share of the language that w3c.mjs describes."""

import json
import threading

# Pictures, and pieces of sound, after which it is told that they come.
ENOUGH = 40
FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193

lock = threading.Lock()
tallies = {}


def tell(happening: dict) -> None:
    with lock:
        print(json.dumps(happening), flush=True)


def message(label: str, data: bytes | str) -> None:
    """Tells a message; of a flood only how many came, how long they were, and their hash."""
    if isinstance(data, str):
        return tell({"event": "message", "label": label, "kind": "text", "data": data})
    if not label.startswith("flood"):
        return tell({"event": "message", "label": label, "kind": "binary", "data": data.hex()})
    messages, size, value = tallies.get(label, (0, 0, FNV_OFFSET))
    for byte in data:
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    messages, size = messages + 1, size + len(data)
    tallies[label] = (messages, size, value)
    if int.from_bytes(data[4:8], "big") == messages:
        del tallies[label]
        tell({"event": "tally", "label": label, "messages": messages, "bytes": size, "hash": value})


def wanted(task: dict) -> list[bytes | str]:
    """What is to be sent: one message, or a numbered flood of them."""
    if task["kind"] == "text":
        return [task["data"]]
    data = bytes.fromhex(task["data"])
    if "count" not in task:
        return [data]
    count = task["count"]
    return [n.to_bytes(4, "big") + count.to_bytes(4, "big") + data[8:] for n in range(count)]
