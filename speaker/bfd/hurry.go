package bfd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// realtimePriority is above what has none, and below the kernel's own threads.
const realtimePriority = 10

// Hurry puts all threads of this process before those of others, in real time,
// and keeps what memory it uses from being swapped out: a garbage collector
// that has to wait for a processor holds up the thread that must not be late.
// The error says what was not allowed, and what would allow it. Without it the
// process works on, as punctual as the machine is idle.
//
// In real time one thread at a time runs Go. Of several, one may wait for another
// without letting its processor go (the sweeper of the heap does), and in real time
// the other one may never get a processor: two such processes on two processors
// were seen to stand against each other until they were killed.
func Hurry() error { return errors.Join(hurry(), lockMemory()) }

// hurry makes all threads real-time ones, of which one at a time runs Go. Without
// real time more may: the one could be waiting for a processor, and hold up the rest.
func hurry() error {
	before := runtime.GOMAXPROCS(1)
	err := raise()
	if err != nil {
		runtime.GOMAXPROCS(before)
	}
	return err
}

// raise makes all threads real-time ones, which take turns. New threads are as
// those that make them: when a round finds nothing new, all are.
func raise() error {
	done := map[int]bool{}
	for {
		tids, err := threads()
		if err != nil {
			return err
		}
		before := len(done)
		for _, tid := range tids {
			if done[tid] {
				continue
			}
			done[tid] = true
			attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: realtimePriority}
			err := unix.SchedSetAttr(tid, &attr, 0)
			switch {
			case errors.Is(err, unix.ESRCH): // ended meanwhile
			case err != nil:
				return fmt.Errorf("no real-time priority, so a busy machine may take healthy sessions down (CAP_SYS_NICE gives it): %w", err)
			}
		}
		if len(done) == before {
			return nil
		}
	}
}

// threads are those of this process.
func threads() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("list own threads: %w", err)
	}
	var out []int
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, tid)
		}
	}
	return out, nil
}

// lockMemory keeps pages that are used in memory. Not all that is mapped: Go
// maps far more than it uses. With a limit it is left alone, since the process
// would end when it came to it.
func lockMemory() error {
	if !mayLock() {
		return errors.New("memory may be swapped out, which takes long (CAP_IPC_LOCK prevents it)")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

func mayLock() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur == unix.RLIM_INFINITY {
		return true
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	return unix.Capget(&head, &caps[0]) == nil && caps[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}
