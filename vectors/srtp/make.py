"""Writes libsrtp.json: packets protected by libsrtp through `pip install pylibsrtp`, in the order of sending."""

import json
import os
import struct

from pylibsrtp import Policy, Session

PROFILES = {
    1: (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
    2: (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16, 14),
    7: (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    8: (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
}
# Around a rollover, with late packets.
SEQUENCES = [0x7000, 0xE000, 0xFFFE, 0x0001, 0xFFFF, 0x0000, 0x0002, 0x8001, 0xFFF0, 0x0010, 0x0005]


def rtp(number, sequence, ssrc):
    payload = bytes((number * 7 + i) & 255 for i in range(number * 13 % 50))
    first, middle = 0x80, b""
    if number % 3 == 1:
        first |= 2
        middle += struct.pack("!II", 1, 2)
    if number % 2:
        first |= 0x10
        middle += bytes.fromhex("bede00011041aa00")
    if number % 4 == 3:
        first |= 0x20
        payload += bytes([0, 0, 3])
    return struct.pack("!BBHII", first, 0x80 | 111, sequence, 1000 * number, ssrc) + middle + payload


def rtcp(ssrc):
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, 1, 2, 3, 4, 5)
    return report + struct.pack("!BBHII", 0x81, 206, 2, ssrc, 77)


def main():
    cases = []
    for number, (profile, key_len, salt_len) in PROFILES.items():
        key, salt = bytes(range(number, number + key_len)), bytes(range(100, 100 + salt_len))
        policy = Policy(key=key + salt, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        session = Session(policy=policy)
        packets = []
        for at, sequence in enumerate(SEQUENCES):
            plain = rtp(at, sequence, 0xCAFE0000 + number)
            packets.append((plain, session.protect(plain)))
            if at % 2 == 0:
                plain = rtcp(0xCAFE0000 + number)
                packets.append((plain, session.protect_rtcp(plain)))
        cases.append({
            "profile": number,
            "key": key.hex(),
            "salt": salt.hex(),
            "packets": [{"plain": p.hex(), "protected": s.hex()} for p, s in packets],
        })
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libsrtp.json")
    with open(path, "w") as file:
        json.dump(cases, file, indent=1)
        file.write("\n")


main()
