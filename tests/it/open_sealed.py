"""Opens what is sealed, by the specification (src/seal/mod.rs) and that of Olm alone. Reads JSON, bytes as hexadecimal digits:
a message's body, and what its reader had before it came (installation, account, sessions), with the parts of the context
behind the first; or a payload and its key; or a sealed file, and the seed, hash and size. Prints what is inside."""
import hashlib, hmac, json, sys
from cryptography.hazmat.primitives import hashes, padding, serialization as form
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey as Private, X25519PublicKey as Public
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

sha256 = lambda data: hashlib.sha256(data).digest()
mac = lambda key, data: hmac.digest(key, data, "sha256")
hkdf = lambda key, info, length, salt=None: HKDF(hashes.SHA256(), length, salt, info).derive(key)
agree = lambda own, other: Private.from_private_bytes(own).exchange(Public.from_public_bytes(other))
public = lambda own: Private.from_private_bytes(own).public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
number = lambda data: int.from_bytes(data, "big")

def fields(data):  # of a protocol buffer
    found, words = {}, []
    while data:
        end = next(at for at, byte in enumerate(data) if byte < 128) + 1
        words.append(sum((byte & 127) << 7 * at for at, byte in enumerate(data[:end])))
        data = data[end:]
        if len(words) == 2:
            (tag, value), words = words, []
            found[tag >> 3], data = (value, data) if tag & 7 == 0 else (data[:value], data[value:])
    return found

def chain(first, key, account, sessions):  # the key of a chain, and its index
    if 1 in first:
        held, own = account["fallback_keys"], bytes(account["diffie_hellman_key"])
        held = [bytes(held[it]["key"]) for it in ("fallback_key", "previous_fallback_key") if held[it]]
        begun = next(it for it in held if public(it) == first[1])
        return hkdf(agree(begun, first[3]) + agree(own, first[2]) + agree(begun, first[2]), b"OLM_ROOT", 64)[32:], 0
    for it in (it for session in sessions for it in session["receiving_chains"]["inner"]):
        if bytes(it["ratchet_key"]) == key:
            return bytes(it["hkdf_ratchet"]["key"]), it["hkdf_ratchet"]["index"]
    own = next(it["sending_ratchet"]["active_ratchet"] for it in sessions if "active_ratchet" in it["sending_ratchet"])
    return hkdf(agree(bytes(own["ratchet_key"]), key), b"OLM_RATCHET", 64, bytes(own["root_key"]))[32:], 0

def decrypt(kind, message, account, sessions):
    first = {4: message} if kind else fields(message[1:])
    message, tag = first[4][:-8], first[4][-8:]
    parts = fields(message[1:])
    key, index = chain(first, parts[1], account, sessions)
    for _ in range(index, parts[2]):
        key = mac(key, b"\2")
    keys = hkdf(mac(key, b"\1"), b"OLM_KEYS", 80)
    assert mac(keys[32:64], message)[:8] == tag
    text = Cipher(algorithms.AES(keys[:32]), modes.CBC(keys[64:])).decryptor().update(parts[4])
    return text[:-text[-1]]

def content(payload, key):
    purpose = b"tinychat/2 payload 1"
    keys = hkdf(key, purpose, 64)
    assert payload[:32] == keys[32:]
    return aead.ChaCha20Poly1305(keys[:32]).decrypt(bytes(12), payload[32:], purpose + keys[32:])

def body(data, installation, account, sessions, context):
    count, data, envelopes = data[1], data[2:], {}
    for _ in range(count):
        end = 11 + number(data[9:11])
        envelopes[data[:8]], data = (data[8], data[11:end]), data[end:]
    payload = data[2 + number(data[:2]) + 4:]  # behind the statement of a writer
    envelope = decrypt(*envelopes[installation], account, sessions)
    context = b"".join(len(it).to_bytes(2, "big") + it for it in [b"tinychat/2 envelope 1", *context])
    assert envelope[32:] == sha256(payload) + sha256(context)
    return content(payload, envelope[:32])

def file(data, seed, digest, size):
    key = hkdf(seed, b"tinychat/2 file 1" + digest + size.to_bytes(8, "big"), 32)
    chunks = [data[at:at + 65_552] for at in range(0, len(data), 65_552)]
    nonces = [at.to_bytes(11, "big") + bytes([at == len(chunks) - 1]) for at in range(len(chunks))]
    return b"".join(aead.ChaCha20Poly1305(key).decrypt(*it, None) for it in zip(nonces, chunks))

given = json.load(sys.stdin)
text = {name: bytes.fromhex(it) for name, it in given.items() if isinstance(it, str)}
if "body" in given:
    context = [bytes.fromhex(it) for it in given["context"]]
    print(body(text["body"], text["installation"], given["account"], given["sessions"], context).hex())
elif "payload" in given:
    print(content(text["payload"], text["key"]).hex())
else:
    print(file(text["file"], text["seed"], text["hash"], given["size"]).hex())
