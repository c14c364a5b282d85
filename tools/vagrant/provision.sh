#!/usr/bin/env bash
# Runs inside the machine of the Vagrantfile, as root: Ansible from the project's locked packages, then the same
# playbook that provisions a provider's server, then its self-test. A second run changes nothing.
#   POSTHOUSE_PORT_BASE  what the Vagrantfile adds to each port
# The program is the one in dist/ (make wheel), with the packages in dist/wheelhouse (make wheelhouse) and
# dist/ansible-wheels (tools/vagrant/ansible.sh fetch) where they are there; otherwise it is built in the machine.
set -euo pipefail

synced=/vagrant
kept=/opt/posthouse-vagrant
passwords=/root/posthouse-passwords # as in ansible/inventories/vagrant
export POSTHOUSE_PORT_BASE=${POSTHOUSE_PORT_BASE:-4000} # read by the inventory, too
port_base=$POSTHOUSE_PORT_BASE
export LC_ALL=C.UTF-8 HOME=/root

need() {
    bash "$synced/tools/apt-need.sh" "$@"
}

# The program that the roles install; prints its path. What was built is kept until a source changes.
find_wheel() {
    if compgen -G "$synced/dist/posthouse-*.whl" >/dev/null; then
        compgen -G "$synced/dist/posthouse-*.whl" | tail -n 1
        return
    fi
    local sources=$kept/sources
    {
        need "building Posthouse" git make nodejs npm python3-venv rsync
        mkdir -p "$sources"
        # A folder of the machine's own: what the build makes must not be swept away by the next synchronisation.
        rsync --recursive --links --checksum --delete --exclude /.venv --exclude /.cache --exclude /dist \
            --exclude node_modules --exclude /webadmin/static/vendor --exclude '*.mo' "$synced/" "$sources/"
        chmod +x "$sources"/tools/*.sh # Windows knows no such mode
        make --directory "$sources" wheel
    } >&2
    compgen -G "$sources/dist/posthouse-*.whl" | tail -n 1
}

wheel=$(find_wheel)
need "Ansible" python3-apt python3-venv
bash "$synced/tools/vagrant/ansible.sh" install "$kept/ansible"

export ANSIBLE_CONFIG=$synced/ansible/ansible.cfg ANSIBLE_PIPELINING=1
play=("$kept/ansible/bin/ansible-playbook" --inventory "$synced/ansible/inventories/vagrant"
    --extra-vars "posthouse_wheel=$wheel")
[[ ! -d $synced/dist/wheelhouse ]] || play+=(--extra-vars "posthouse_wheelhouse=$synced/dist/wheelhouse")

install --directory --mode=0700 "$passwords"
cd "$synced/ansible"
"${play[@]}" playbooks/site.yml

# Somebody for the console.
if [[ ! -f $passwords/operator ]]; then
    made=$(umask 077 && mktemp "$passwords/.operator.XXXXXX")
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 16 >"$made" || true # tr ends by a broken pipe
    posthouse operator create operator --password-stdin <"$made"
    mv "$made" "$passwords/operator"
fi

echo "Trying every door of the server"
"${play[@]}" playbooks/selftest.yml

web=https://127.0.0.1:$((port_base + 443))
cat <<END

Posthouse runs. From your own machine:

  webmail          $web/webmail/    alice@demo   $(<"$passwords/alice@demo")
                   $(printf '%*s' ${#web} '')             bob@demo     $(<"$passwords/bob@demo")
  administration   $web/webadmin/   ADMIN@demo   $(<"$passwords/ADMIN@demo")
  console          $web/console/    operator     $(<"$passwords/operator")
  API              $web/api/v1/openapi.json
  HTTPMail         $web/MEHTTPMail

  SMTP             127.0.0.1:$((port_base + 25))
  submission       127.0.0.1:$((port_base + 587)), $((port_base + 465)) (TLS)
  POP3             127.0.0.1:$((port_base + 110)), $((port_base + 995)) (TLS)

The certificate is the server's own, so a browser asks once. Send Alice something and look:

  swaks --server 127.0.0.1:$((port_base + 25)) --from you@example.net --to alice@demo.test
  vagrant ssh --command 'sudo posthouse message search alice@demo.test'
END
