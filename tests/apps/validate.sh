#!/bin/sh
# validate.sh DIRECTORY SEEN: notes the first line of DIRECTORY/app.conf in the file SEEN. `bad...` is refused with
# seven lines of output and code 3; `hang` forks and never ends; all else is fine.
read -r line <"$1/app.conf"
echo "$line" >>"$2"
case $line in
bad*)
    for number in 1 2 3 4 5 6; do echo "line $number"; done
    echo "the last line" >&2
    exit 3
    ;;
hang)
    sleep 3600 &
    sleep 3600
    ;;
esac
