#!/usr/bin/env bash
# Trains on several machines of a Slurm cluster, and resumes automatically when the job reaches its time limit:
#
#     sbatch --nodes 2 --gpus-per-node 8 scripts/slurm.sh configs/wmt14-en-de.yaml [KEY=VALUE …]
#
# Slurm starts one process for each GPU, without torchrun. Signals therefore reach the processes, and their exit
# codes are kept, which torchrun would replace by 1. Two minutes before the time limit Slurm sends SIGUSR1: mtkit
# saves and exits with 75, and the job is queued again. The run folder and the prepared data must be on a file
# system that all machines share. Set MTKIT to the command that starts mtkit, such as ".venv/bin/python -m mtkit".
#SBATCH --job-name=mtkit
#SBATCH --nodes=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=mtkit-%j.log
set -uo pipefail

gpus=${SLURM_GPUS_ON_NODE:?"start this script with sbatch"}
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# Slurm sends --signal to the steps of the job, that is, to each process of srun.
srun --ntasks-per-node="$gpus" --kill-on-bad-exit=1 --wait=60 bash -c '
    export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
    export LOCAL_WORLD_SIZE=$(( SLURM_NTASKS / SLURM_NNODES ))
    exec ${MTKIT:-python -m mtkit} train "$@"
' mtkit "$@"
code=$?

if [ "$code" -eq 75 ]; then
    echo "Saved. The job is queued again."
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
