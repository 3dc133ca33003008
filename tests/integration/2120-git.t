#!/bin/sh
# Code from git: what runs is the commit that was named, whatever becomes of the work tree; and nothing in a name makes git do more.
. "${srcdir:?}/tests/lib/tap.sh"
. "$srcdir/tests/lib/wait_for.sh"
. "$srcdir/tests/lib/sshd.sh"
sshd_available || skip_all 'no sshd'
command -v git >/dev/null 2>&1 || skip_all 'no git'

SSHD_SETENV="GPU_RUN_DEVICES=0 GPU_RUN_LOCKS=$sshd_dir/locks"
sshd_start
kedge_env
. "$srcdir/tests/lib/store.sh"
GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
TMPDIR=$tap_dir/tmp
mkdir "$TMPDIR"
export GIT_CONFIG_NOSYSTEM GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL TMPDIR
root=$sshd_dir/root
proj=$sshd_dir/proj
pwned=$sshd_dir/pwned
git init -q -b main "$proj"
cd "$proj" || exit 99

job_dir()
{
	echo "$root/$(sql "select job_id from job where number = $1")"
}
commit()
{
	git add -A && git commit -qm "$1" && git rev-parse HEAD
}
dry()
{
	kedge submit --dry-run --json --set "code=$1" job.ini
}
# refused CODE TEXT NAME: with status 2 (on the command line) or 4
refused()
{
	refused_says=$(kedge submit --dry-run --set "code=$1" job.ini 2>&1 >/dev/null)
	case $? in
	2 | 4) like "$refused_says" "$2" "$3" ;;
	*) fail "$3: not refused" ;;
	esac
}

cat >train.sh <<'END'
#!/bin/sh
cat VERSION >"$OUTPUT_DIR/version"
ls -A >"$OUTPUT_DIR/files"
END
echo one >VERSION
mkdir -p sub/deep tests 'a dir'
echo deep >sub/deep/file
echo x >tests/test_a
printf 'name\n' >"a dir/$(printf 'n\303\244m\377e')"
ln -s sub/deep link
echo '*.log' >.gitignore
echo tests >.kedgeignore
echo 'notes export-ignore' >.gitattributes
echo private >notes
echo kept >forced.log
printf '[job]\nname = g\ncode = git:.@HEAD\nentry = train.sh\n' >job.ini
git add -f forced.log
one=$(commit one)
git tag -a -m 'the first' v1
echo two >VERSION
two=$(commit two)

# --- a commit of a repository here
ok 'a commit runs' kedge submit -W --set code=git:.@v1 job.ini
is "$(cat "$(job_dir 1)/outputs/version")" one 'the one that was named'
is "$(tr '\n' ' ' <"$(job_dir 1)/outputs/files")" \
	'.gitattributes .gitignore .kedgeignore VERSION a dir forced.log job.ini link sub train.sh ' \
	'all of it, but what .kedgeignore and export-ignore name'
is "$(cat "$(job_dir 1)"/code/a\ dir/*)" name 'names are bytes'
is "$(readlink "$(job_dir 1)/code/link")" sub/deep 'links are links'
is "$(jq -r '.request | .commit, .code' "$(job_dir 1)/.kedge/job.json")" "$one
git:$proj@v1" 'job.json has the commit, and what was asked'
is "$(sql "select json_extract(request, '\$.commit') from job where number = 1")" "$one" 'the row has it'
like "$(kedge show 1)" "^commit     $one\$" 'show prints it'
is "$(kedge show --json 1 | jq -r .job.request.commit)" "$one" 'as JSON too'
is "$(ls "$TMPDIR"; find "$XDG_STATE_HOME/kedge/spool" -mindepth 1)" '' 'nothing temporary is left'

# --- the work tree changes between submit and launch
sshd_stop
echo dirty >VERSION
chmod 600 train.sh
echo extra >untracked
ok 'a submit while the cluster is away leaves it pending' status 7 kedge submit job.ini
is "$(cat "$XDG_STATE_HOME"/kedge/spool/*/commit)" "$two git:$proj@HEAD" 'the spool has the commit'
is "$(cd "$XDG_STATE_HOME/kedge/spool" && ls -A ./*)" 'code.manifest
code.tar
commit
inputs
template.sh' 'and no repository'
echo three >VERSION
rm train.sh
commit three >/dev/null
mv "$proj" "$proj.away"
cd "$sshd_dir" || exit 99
sshd_restart
ok 'it runs later, without the repository' wait_for_secs 60 poll_until 2 SUCCEEDED FAILED
is "$(state_of 2)" SUCCEEDED 'well'
is "$(cat "$(job_dir 2)/outputs/version")" two 'and is what HEAD was then'
mv "$proj.away" "$proj"
cd "$proj" || exit 99
git reset -q --hard "$two"

# --- a directory of a repository; a repository elsewhere
printf '[job]\nname = d\ncommand = cat file\n' >d.ini
is "$(kedge submit --dry-run --json --set code=git:sub/deep@HEAD d.ini | jq -r '.dry_run.code.files[].path')" file 'a directory of a repository is code by itself'
git clone -q --bare "$proj" "$sshd_dir/bare.git"
url=file://$sshd_dir/bare.git
for rev in main v1 "$one" main~1 "$(printf %.10s "$one")" HEAD; do
	case $rev in
	main | HEAD) want=$two ;;
	*) want=$one ;;
	esac
	is "$(dry "git:$url@$rev" | jq -r .dry_run.code.commit)" "$want" "elsewhere, $rev is found"
done
is "$(dry "git:$sshd_dir/bare.git@main" | jq -r .dry_run.code.commit)" "$two" 'a bare one here, too'
ok 'one from elsewhere runs' kedge submit -W --set "code=git:$url@v1" job.ini
is "$(cat "$(job_dir 3)/outputs/version")" one 'as it was there'
is "$(ls "$TMPDIR"; find "$XDG_STATE_HOME/kedge/spool" -mindepth 1)" '' 'nothing temporary is left'

# --- +dirty
echo dirty >VERSION
echo extra >untracked
echo noise >noise.log
echo changed >forced.log
rm sub/deep/file
ok 'a work tree runs as it is' kedge submit -W --set code=git:.@HEAD+dirty job.ini
is "$(cat "$(job_dir 4)/outputs/version")" dirty 'with what was edited'
is "$(tr '\n' ' ' <"$(job_dir 4)/outputs/files")" \
	'.gitattributes .gitignore .kedgeignore VERSION a dir d.ini forced.log job.ini link notes sub train.sh untracked ' \
	'what is new, and what is tracked although it is ignored, but nothing that is ignored'
is "$(cat "$(job_dir 4)/code/forced.log")" changed 'as it is'
is "$(jq -r '.request | .commit, .code' "$(job_dir 4)/.kedge/job.json")" "$two
git:$proj@HEAD+dirty" 'and says on what it was built, and that it is more'
refused git:.@v1+dirty 'is another commit than HEAD' 'another commit has no work tree'
refused "git:$sshd_dir/bare.git@main+dirty" 'work tree' 'nor has a bare repository'
refused "git:$url@main+dirty" 'goes with a path' 'nor one elsewhere'
git reset -q --hard "$two"

# --- what is not there
refused git:.@nope "'nope' is no commit" 'an unknown revision'
refused 'git:.@HEAD^{tree}' "is no commit" 'a revision that is no commit'
refused "git:$url@nope" "'nope' is no commit" 'an unknown revision elsewhere'
refused "git:file://$sshd_dir/none@main" 'git clone: .*none' 'no repository elsewhere'
refused "git:$sshd_dir/none@main" 'cannot change to' 'no directory here'
refused "git:$sshd_dir/home@main" 'not a git repository' 'no repository here'
refused git:. 'names no revision' 'no revision'
mkdir "$sshd_dir/bin"
like "$(PATH=$sshd_dir/bin "$builddir/kedge" submit --dry-run job.ini 2>&1)" "'git' cannot be run" 'no git'

# --- what could do harm
for code in "git:--upload-pack=touch $pwned@main" "git:-x@main" "git:.@--output=$pwned" "git:ext::touch% $pwned@main" \
	"git:ext::sh -c 'touch $pwned'@main" "git:ssh://-oProxyCommand=touch $pwned/x@main" "git:-oProxyCommand=touch:x@main" \
	"git:https://me:secret@127.0.0.1/x@main" "git:.@HEAD:sub" "git:.@\$(touch $pwned)" "git:\`touch $pwned\`@main" \
	"git:x;touch $pwned@main"; do
	refused "$code" '^kedge: ' "refused: $code"
done
git config core.fsmonitor "touch $pwned"
git config core.pager "touch $pwned"
mkdir -p .git/hooks
for hook in post-checkout post-index-change reference-transaction; do
	printf '#!/bin/sh\ntouch "%s"\n' "$pwned" >".git/hooks/$hook"
	chmod +x ".git/hooks/$hook"
done
ok 'hooks and monitors of a repository are not run' dry git:.@HEAD+dirty
ok 'nor for a commit' dry git:.@HEAD
git config --unset core.fsmonitor
rm .git/hooks/*
ok 'nothing was executed' test ! -e "$pwned"
ok 'a repository that somebody is working in, says the environment, is not another' \
	env GIT_DIR="$sshd_dir/none" GIT_INDEX_FILE="$sshd_dir/none" kedge submit --dry-run job.ini

# --- submodules, and Git LFS
git clone -q --bare "$proj" "$sshd_dir/lib.git"
git -c protocol.file.allow=always submodule --quiet add "$sshd_dir/lib.git" lib/x 2>/dev/null
commit submodule >/dev/null
refused git:.@HEAD "submodule 'lib/x' is not sent" 'a submodule is refused'
refused git:.@HEAD+dirty "submodule 'lib/x' is not sent" 'in a work tree, too'
printf 'tests\nlib\n' >.kedgeignore
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12345\n' 7 >weights.bin
commit pointer >/dev/null
ok 'unless .kedgeignore names it' dry git:.@HEAD
like "$(dry git:.@HEAD 2>&1 >/dev/null)" "1 of its files are Git LFS pointers.*'weights.bin'" 'a Git LFS pointer is warned of'

store_checks
done_testing
