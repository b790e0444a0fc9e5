#!/usr/bin/env bash
# A Slurm of one node with accounting, for tests: `cluster.sh start FOLDER`, `cluster.sh stop FOLDER`. All that it is lies in the
# folder, and whatever is told SLURM_CONF=FOLDER/slurm.conf uses it; a Slurm of the machine is left alone. Needs root and
#   apt-get install --no-install-recommends slurm-wlm munge slurmdbd mariadb-server
# Neither systemd nor control groups are needed. Waits and limits are long, as a loaded machine may take ten times as long.
set -euo pipefail
action="$1" folder="$(realpath "$2")"
export SLURM_CONF="$folder/slurm.conf"

wait_for() { # SECONDS COMMAND...
    local end="$((SECONDS + $1))"
    shift
    until timeout 10 "$@" > /dev/null 2>&1; do
        ((SECONDS < end)) || { echo "not within time: $*" >&2; exit 1; }
        sleep 0.1
    done
}

free_ports() { # the first of four that nobody listens on; below those that the kernel gives to connections
    local port offset
    while true; do
        port="$((20000 + RANDOM % 12000))"
        for offset in 0 1 2 3; do
            (: < "/dev/tcp/127.0.0.1/$((port + offset))") 2> /dev/null && continue 2
        done
        echo "$port"
        return
    done
}

configure() {
    local port="$1"
    cat > "$SLURM_CONF" << END
ClusterName=segbench
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
MessageTimeout=90
BatchStartTimeout=120
KillWait=240
UnkillableStepTimeout=300
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
AccountingStoragePass=$folder/munge.socket
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2
PartitionName=long Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=240
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=2
END
    cat > "$folder/slurmdbd.conf" << END
AuthInfo=socket=$folder/munge.socket
DbdHost=$(hostname -s)
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 3))
StorageUser=slurm
StoragePass=slurm
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
END
    chmod 600 "$folder/slurmdbd.conf"
    cat > "$folder/accounts.sql" << END
CREATE USER IF NOT EXISTS 'slurm'@'%' IDENTIFIED BY 'slurm';
GRANT ALL ON *.* TO 'slurm'@'%';
END
}

start() {
    local port
    port="$(free_ports)"
    mkdir -p "$folder"/{state,spool,database}
    configure "$port"
    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 600 "$folder/munge.key"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    mariadb-install-db --no-defaults --user=root --datadir="$folder/database" --skip-test-db > "$folder/database.log"
    mariadbd --no-defaults --user=root --datadir="$folder/database" --socket="$folder/database.socket" \
        --bind-address=127.0.0.1 --port="$((port + 3))" --pid-file="$folder/database/pid" \
        --init-file="$folder/accounts.sql" >> "$folder/database.log" 2>&1 &
    # Not the one that it writes itself, once it is ready: it may have to be stopped before.
    echo "$!" > "$folder/database.pid"
    wait_for 180 mariadb-admin --no-defaults --protocol=tcp --host=127.0.0.1 --port="$((port + 3))" --user=slurm --password=slurm ping
    slurmdbd
    wait_for 180 sacctmgr --noheader list cluster
    # Else the controller would refuse to start before the accounting knows its cluster.
    sacctmgr --immediate --quiet add cluster segbench > /dev/null 2>&1 || true
    slurmctld
    slurmd
    wait_for 180 sh -c 'sinfo --noheader --format=%T | grep --quiet idle'
}

stop() { # whatever runs, in whatever state; with an error if something had to be killed or goes on
    local name process failed=0
    if timeout 60 scontrol ping > /dev/null 2>&1; then
        timeout 60 scancel --full --signal=KILL --user="$(id -un)" || true
        timeout 60 scancel --user="$(id -un)" || true
        (wait_for 60 sh -c '! squeue --noheader | grep --quiet .') || failed=1
    fi
    for name in slurmd slurmctld slurmdbd database munged; do
        process="$(cat "$folder/$name.pid" 2> /dev/null)" || continue
        kill "$process" 2> /dev/null || continue
        (wait_for 60 sh -c "! kill -0 $process") && continue
        kill -KILL "$process" 2> /dev/null || true
        failed=1
    done
    return "$failed"
}

"$action"
