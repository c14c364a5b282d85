#!/usr/bin/env bash
# The pages' languages: webadmin/translations/LANGUAGE/LC_MESSAGES/messages.po.
#   tools/translations.sh compile   writes what the pages read, the ignored messages.mo (make setup)
#   tools/translations.sh update    puts new and changed texts into each messages.po, to be translated
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=webadmin/translations
babel=.venv/bin/pybabel

case ${1:-} in
compile)
    for catalogue in "$folder"/*/LC_MESSAGES/messages.po; do
        made=${catalogue%.po}.mo
        if [[ $catalogue -nt $made ]]; then
            "$babel" --quiet compile --input-file "$catalogue" --output-file "$made"
        fi
    done
    ;;
update)
    collected=$(mktemp --suffix .pot)
    trap 'rm -f "$collected"' EXIT
    "$babel" --quiet extract --mapping-file "$folder/babel.cfg" --keywords lazy_gettext --keywords _l \
        --no-location --sort-output --omit-header --output-file "$collected" webadmin
    for catalogue in "$folder"/*/LC_MESSAGES/messages.po; do
        "$babel" --quiet update --input-file "$collected" --output-file "$catalogue" \
            --locale "$(basename "$(dirname "$(dirname "$catalogue")")")" --no-wrap --ignore-obsolete --no-fuzzy-matching
        sed -i -E '/^"(Project|Report|POT|PO-|Last|Language-Team|Generated)/d' "$catalogue"
    done
    ;;
*)
    sed -n '2,4p' "$0" >&2
    exit 2
    ;;
esac
