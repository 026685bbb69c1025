#!/bin/sh
# Signs in to a TinyChat server and sends one message, with openssl and ssh-keygen alone, as the
# specification says (src/wire/mod.rs).
#
#   sign_in.sh HOST:PORT NAME KEY PEER TEXT
#
# KEY is an OpenSSH Ed25519 private key with KEY.pub beside it; NAME is lower-case ASCII.
set -eu

address=$1 name=$2 key=$3 peer=$4 text=$5
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

# The TLS connection, as two pipes. What openssl says of it comes out before the frames do.
mkfifo "$folder/in" "$folder/out"
openssl s_client -connect "$address" -tls1_3 -alpn tinychat/2 -ign_eof -nocommands \
    -keymatexport EXPORTER-Channel-Binding -keymatexportlen 32 \
    <"$folder/in" >"$folder/out" 2>"$folder/err" &
server=$!
exec 3>"$folder/in" 4<"$folder/out"

# Lines end with CR LF.
say() { printf '%s\r\n' "$1" >&3; }
hear() { IFS= read -r line <&4 && line=${line%"$(printf '\r')"}; }
expect() {
    while hear; do
        case $line in
        "$1"*) return ;;
        'ERR '*) break ;;
        esac
    done
    echo "expected $1, got: $line" >&2
    exit 1
}

# The server's certificate, and what the connection is bound to, in openssl's report.
while hear; do
    case $line in
    '-----BEGIN CERTIFICATE-----') certificate=$line ;;
    '    Keying material: '*) binding=$(printf '%s' "${line##* }" | tr A-F a-f) ;;
    esac
    [ -z "${certificate-}" ] || printf '%s\n' "$line" >>"$folder/certificate.pem"
    [ "$line" != '-----END CERTIFICATE-----' ] || certificate=
    [ -z "${binding-}" ] || break
done
fingerprint=SHA256:$(openssl x509 -in "$folder/certificate.pem" -pubkey -noout |
    openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64 | tr -d =)
echo "the server is $fingerprint"

say "HELLO tinychat/2 $name $(cut -d' ' -f2 "$key.pub") 00000000000000a1 away"
expect 'CHALLENGE '
printf '%s\n' 'tinychat/2 sign-in' "server $fingerprint" "name $name" \
    "nonce ${line#CHALLENGE }" "binding tls-exporter $binding" >"$folder/text"
ssh-keygen -q -Y sign -n tinychat -f "$key" "$folder/text"
say "PROVE $(wc -c <"$folder/text.sig" | tr -d ' ')"
cat "$folder/text.sig" >&3
say ''
expect 'WELCOME '

say "TALK $peer 0"
expect "TALKING $peer "
say "MSG $peer 1 $(openssl rand -hex 16) text ${line##* } $(printf '%s' "$text" | wc -c | tr -d ' ')"
say "$text"
expect "STORED $peer 1"
say QUIT
expect 'BYE quit'
echo "stored: $text"
