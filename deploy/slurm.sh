#!/bin/bash
# genzoo on several nodes by SLURM: sbatch deploy/slurm.sh DIRECTORY
#
# A task for each GPU; --strategy=auto finds the tasks of the step. The run and the cache lie where all nodes see them.
# Ten minutes before its time is up, SLURM asks the step to end: the run is saved, and the same command resumes it.
#SBATCH --job-name=genzoo
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@600
set -euo pipefail
shared=${1:?usage: sbatch deploy/slurm.sh DIRECTORY, one that all nodes see}

export GENZOO_CACHE=$shared/cache TFDS_DATA_DIR=$shared/tensorflow_datasets
# where one task ends with an error, the others wait for it: let SLURM end them
srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    genzoo-train --recipe=wgan_gp_cifar10 --workdir="$shared/runs/wgan_gp_cifar10"
