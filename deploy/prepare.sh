#!/bin/sh
# Writes what compose.yaml asks for: keys into .env, and secrets that are read as files into deploy/secrets/.
# Every value is random, and what is there already stays as it is, so it may be run again at any time.
set -eu
cd "$(dirname "$0")/.."

random() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# A variable of .env, unless the file has it already.
variable() {
    if [ -f .env ] && grep -q "^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*[^[:space:]]" .env; then
        echo "kept     $1 in .env"
        return
    fi
    # Only its owner may read the file.
    (umask 077 && touch .env)
    # A last line without an end would run into this one.
    if [ -s .env ] && [ -n "$(tail -c 1 .env)" ]; then
        echo >> .env
    fi
    echo "$1=$(random)" >> .env
    echo "written  $1 to .env"
}

# A file of deploy/secrets. Its directory is closed to others; the file itself is read by users inside containers.
secret() {
    if [ -s "deploy/secrets/$1" ]; then
        echo "kept     deploy/secrets/$1"
        return
    fi
    (umask 022 && random > "deploy/secrets/$1")
    echo "written  deploy/secrets/$1"
}

variable OFFPATH_API_KEY
variable POSTGRES_PASSWORD
chmod 700 deploy/secrets
secret metrics_token
secret grafana_password
