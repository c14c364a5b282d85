#!/usr/bin/env bash
# One real `vagrant up`, from a bare Debian 12 to mail that arrives, then a second provisioning that must change
# nothing, then the end of it. As root, on Debian; without KVM it takes a quarter of an hour.
# It has namespaces to itself, of processes, mounts and network, with a libvirt of its own: it needs nothing of the
# machine's libvirt and Vagrant, its ports clash with nobody's, and nothing of it is left, however it ends.
# The box comes from box.sh; the machine has no way out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthouse
port_base=4000

say() {
    printf '\n== %s (%d s)\n' "$*" "$SECONDS"
}

if [[ ${1:-} != inside ]]; then
    if ((EUID != 0)); then
        echo "A machine, its disk and its network take root." >&2
        exit 1
    fi
    tools/apt-need.sh "virtual machines" vagrant vagrant-libvirt libvirt-daemon-system \
        libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils dnsmasq-base iptables \
        iproute2 openssh-client rsync curl swaks libnet-ssleay-perl util-linux
    tools/vagrant/ansible.sh fetch
    box=$(tools/vagrant/box.sh)
    work=$(mktemp -d "$cache/vagrant-test.XXXXXX")
    # With its first process all others in there end too.
    unshare --mount --net --pid --fork --kill-child --mount-proc "$0" inside "$box" "$work" &
    inside=$!
    trap 'kill -KILL "$inside" 2>/dev/null; wait; rm -rf --one-file-system "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    wait "$inside"
    exit
fi

box=$2
work=$3
mount -t sysfs sysfs /sys
ip link set lo up
mount -t tmpfs tmpfs /run
for folder in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
    mkdir -p "$folder" "$work$folder"
done
cp -a /etc/libvirt/. "$work/etc/libvirt/"
for folder in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
    mount --bind "$work$folder" "$folder"
done
# The machine that this runs on keeps order by itself; what was built in here has no permission to.
printf 'security_driver = "none"\ncgroup_controllers = []\n' >>/etc/libvirt/qemu.conf
virtlogd --daemon
libvirtd --daemon

# A device that is there need not work: a machine inside a machine may have it and be refused.
driver=qemu
if [[ -c /dev/kvm ]] && timeout 30 qemu-system-x86_64 -accel kvm -cpu host -S -display none -monitor stdio \
    <<<quit >"$work/kvm" 2>&1; then
    driver=kvm
fi

# Nothing of the user's Vagrant, nor of a machine that was made here by hand.
export VAGRANT_HOME=$work/vagrant VAGRANT_DOTFILE_PATH=$work/machine VAGRANT_CHECKPOINT_DISABLE=1 \
    VAGRANT_DEFAULT_PROVIDER=libvirt LIBVIRT_DEFAULT_URI=qemu:///system \
    POSTHOUSE_BOX=posthouse/bookworm64 POSTHOUSE_BOX_URL="file://$box" \
    POSTHOUSE_LIBVIRT_DRIVER=$driver POSTHOUSE_PORT_BASE=$port_base
failed() {
    echo "vagrant-test failed at line $1" >&2
    tail -n 100 "$work/up" "$work/again" 2>/dev/null || true
    vagrant ssh --command "sudo journalctl --no-pager --priority=warning --lines=50" 2>/dev/null || true
}
trap 'failed $LINENO' ERR

# Asks again until a command succeeds, for a minute.
until_it_is_so() {
    local deadline=$((SECONDS + 60))
    until "$@" >"$work/last" 2>&1; do
        if ((SECONDS > deadline)); then
            echo "Not within a minute: $*" >&2
            cat "$work/last" >&2
            return 1
        fi
        sleep 0.2
    done
}

# The sum of a word over the hosts of the playbook that was run first: changed, failed.
recap_of_site() {
    grep -m1 -oE "mail\.posthouse\.test +: .*" "$1" | grep -oE "$2=[0-9]+" | cut -d= -f2
}

# A password that the provisioning printed.
password_of() {
    grep -oE "$1 +[A-Za-z0-9]+ *$" "$work/up" | tail -n 1 | awk '{print $NF}'
}

without_progress() {
    sed --unbuffered 's/.*\x1b\[K//'
}

say "vagrant up, by $driver"
vagrant up --no-color 2>&1 | without_progress | tee "$work/up"
[[ $(recap_of_site "$work/up" failed) == 0 ]]

alice=$(password_of alice@demo)
bob=$(password_of bob@demo)
operator=$(password_of operator)
web=https://127.0.0.1:$((port_base + 443))
curl=(curl --silent --show-error --insecure --fail --max-time 60)
swaks=(swaks --server 127.0.0.1 --timeout 60 --hide-all)

maildrop_of_bob_holds() {
    "${curl[@]}" --user "bob@demo:$bob" --output "$work/message" "pop3s://127.0.0.1:$((port_base + 995))/1" &&
        grep --quiet "$1" "$work/message"
}

# As a browser does: the form, then the form sent, then the page behind it.
sign_in() {
    local room=$1 login=$2 password=$3 jar=$work/jar-$1 proof status
    "${curl[@]}" --cookie-jar "$jar" --output "$work/form" "$web/$room/login"
    proof=$(grep -oP -m1 'name="csrf" value="\K[^"]+' "$work/form")
    "${curl[@]}" --cookie "$jar" --cookie-jar "$jar" --header "Origin: $web" --output /dev/null \
        --data-urlencode "csrf=$proof" --data-urlencode "user=$login" --data-urlencode "password=$password" \
        "$web/$room/login"
    status=$("${curl[@]}" --cookie "$jar" --output /dev/null --write-out '%{http_code}' "$web/$room/")
    if [[ $status != 200 ]]; then
        echo "$login cannot sign in to $room: the page behind it answers $status" >&2
        return 1
    fi
}

say "mail from elsewhere, by port $((port_base + 25))"
"${swaks[@]}" --port $((port_base + 25)) --from you@example.net --to bob@demo.test --header 'Subject: from elsewhere'
until_it_is_so maildrop_of_bob_holds 'Subject: from elsewhere'

say "Alice sends, by ports $((port_base + 587)) and $((port_base + 465))"
"${swaks[@]}" --port $((port_base + 587)) --tls --auth-user alice@demo --auth-password "$alice" \
    --from alice@demo.test --to bob@demo.test --header 'Subject: by submission'
"${swaks[@]}" --port $((port_base + 465)) --tls-on-connect --auth-user alice@demo --auth-password "$alice" \
    --from alice@demo.test --to bob@demo.test --header 'Subject: by submissions'
"${curl[@]}" --ssl-reqd --user "bob@demo:$bob" "pop3://127.0.0.1:$((port_base + 110))/" | tee "$work/list"

say "the pages, at $web"
sign_in webmail alice@demo "$alice"
sign_in console operator "$operator"
"${curl[@]}" --output "$work/openapi" "$web/api/v1/openapi.json"
grep --quiet '"openapi"' "$work/openapi"
"${curl[@]}" --user "bob@demo:$bob" --output /dev/null "$web/MEHTTPMail/"
[[ $("${curl[@]}" --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$((port_base + 80))/") == 308 ]]

say "vagrant provision again"
vagrant provision --no-color 2>&1 | tee "$work/again"
if [[ $(recap_of_site "$work/again" changed) != 0 || $(recap_of_site "$work/again" failed) != 0 ]]; then
    echo "The second provisioning changed something:" >&2
    grep -B 12 'changed: \[' "$work/again" >&2
    exit 1
fi
[[ $(password_of alice@demo) == "$alice" ]]

say "vagrant destroy"
vagrant destroy --force
say "vagrant-test passed"
