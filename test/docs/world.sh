# The first process of a page's namespaces: nothing in here reaches another machine, what is written outside of $RESULTS
# is gone with it, and so is every process. Arguments: the project, the results' folder, and NUMBER:SECTION:EXIT of
# each block.
set -eo pipefail
PROJECT=$1 RESULTS=$2
shift 2
exec >"$RESULTS/world.log" 2>&1

ip link set lo up
while read -r address; do ip addr add "$address" dev lo; done <"$RESULTS/addresses"
mount -t tmpfs tmpfs /mnt
for folder in etc opt var; do
  mkdir -p "/mnt/$folder/upper" "/mnt/$folder/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" "/$folder"
done
# A home with nothing of this machine's in it, for the reader and for whom sshd lets in.
mkdir -m 0700 /mnt/home
sed -i 's#^root:\(.*\):[^:]*:\([^:]*\)$#root:\1:/mnt/home:\2#' /etc/passwd
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/sshd /run/fairlead /etc/kubernetes/manifests
echo '127.0.0.1 localhost broker.example.com edge-1 gateway nats-1 nats-2' >/etc/hosts
: >/etc/resolv.conf

# The reader's copy of the project.
mkdir -p /mnt/upper /mnt/work /mnt/fairlead
mount -t overlay overlay -o "lowerdir=$PROJECT,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/fairlead
for program in chromium docker fairlead kubectl npm systemctl; do cp "$PROJECT/test/docs/$program.sh" "/mnt/fairlead/bin/$program"; done
git init --quiet /mnt/home/repository
cp -r "$RESULTS/files/." /mnt/fairlead/
printf "fail-with-body\nsilent\nshow-error\n" >/mnt/home/.curlrc
mkdir -p /mnt/home/.ssh && cp -r "$RESULTS/home/." /mnt/home/.ssh/
NPM=$(command -v npm)
export HOME=/mnt/home NPM PROJECT RESULTS PATH="/mnt/fairlead/bin:$PATH"
export NODE_EXTRA_CA_CERTS=$RESULTS/ca.pem CURL_CA_BUNDLE=$RESULTS/ca.pem
# Neither this machine's proxies nor its authorities, nor its user's broker.
unset SSH_AUTH_SOCK SSL_CERT_FILE SSL_CERT_DIR XDG_CONFIG_HOME ${!FAIRLEAD_*} ${!HTTP_*} ${!HTTPS_*} ${!http*} ALL_PROXY all_proxy NO_PROXY no_proxy
cd /mnt/fairlead

# Nodes with networks of their own: each reaches the broker, and nobody reaches them.
count=0
while read -r node; do
  count=$((count + 1))
  ip netns add "$node"
  ip link add "node$count" type veth peer name eth0 netns "$node"
  ip addr add "10.9.$count.1/24" dev "node$count"
  ip link set "node$count" up
  ip -n "$node" addr add "10.9.$count.2/24" dev eth0
  ip -n "$node" link set eth0 up
  ip -n "$node" link set lo up
  mkdir -p "/etc/netns/$node"
  echo "127.0.0.1 localhost $node
10.9.$count.1 broker.example.com" >"/etc/netns/$node/hosts"
done <"$RESULTS/nodes"

node "$PROJECT/dist/test/docs/behind.js" "$RESULTS" >"$RESULTS/behind.log" 2>&1 </dev/null &
behind=$!
until [ -e "$RESULTS/ready" ]; do
  kill -0 $behind || exit 1
  sleep 0.02
done

section=
for block in "$@"; do
  IFS=: read -r number under exits <<<"$block"
  if [ "$section" != "$under" ]; then
    # What a section has started ends with it.
    xargs -r kill -KILL <"$RESULTS/started" 2>/dev/null || true
    : >"$RESULTS/started"
    section=$under
  fi
  exec 8>&1 9>&2 >"$RESULTS/$number.out" 2>"$RESULTS/$number.err"
  if [ -e "$RESULTS/$number.at" ]; then
    for node in $(cat "$RESULTS/$number.at"); do
      ip netns exec "$node" unshare --uts bash -eo pipefail -c "hostname $node; . $RESULTS/$number.sh"
    done
  elif [ "$exits" = 0 ]; then
    . "$RESULTS/$number.sh" </dev/null
  else
    ended=0
    bash -eo pipefail "$RESULTS/$number.sh" </dev/null || ended=$?
    [ "$ended" = "$exits" ]
  fi
  exec >&8 2>&9
  : >"$RESULTS/$number.done"
done
