// Package usage reads what a process uses of the machine.
package usage

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc/PID/stat, the same on every Linux.
const clockTick = 10 * time.Millisecond

// CPU is the processor time that a process has used, to 10 ms.
func CPU(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		var spent time.Duration
		if spent, err = ticks(string(data)); err == nil {
			return spent, nil
		}
	}
	return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
}

// ticks reads fields 14 and 15 of /proc/PID/stat, the time in user and kernel
// mode. They are counted from the name's closing parenthesis, since the name in
// field 2 may hold blanks.
func ticks(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("malformed: %q", stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// Memory is the resident memory of a process, in MB.
func Memory(pid int) (float64, error) { return status(pid, "VmRSS") }

// Peak is the most resident memory that a process ever had, in MB.
func Peak(pid int) (float64, error) { return status(pid, "VmHWM") }

// Share is the memory of a process of which each page that n processes have counts
// for 1/n (PSS), in MB.
func Share(pid int) (float64, error) { return size(pid, "smaps_rollup", "Pss") }

// status reads a size of /proc/PID/status, in MB.
func status(pid int, name string) (float64, error) { return size(pid, "status", name) }

// size reads a size of a file of /proc/PID, in MB.
func size(pid int, file, name string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("memory of process %d: the kernel does not say %s", pid, name)
}

// Scheduled is the processor time of all living threads of a process, to the
// nanosecond, as the scheduler counts it. What the kernel does for others while
// a thread runs, such as the packets of a veth pair, is in it.
func Scheduled(pid int) (sum time.Duration, err error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("threads of process %d: %w", pid, err)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // it has just ended
		}
		var ran int64
		if err == nil {
			_, err = fmt.Sscan(string(data), &ran)
		}
		if err != nil {
			return 0, fmt.Errorf("processor time of process %d (needs CONFIG_SCHED_INFO): %w", pid, err)
		}
		sum += time.Duration(ran)
	}
	return sum, nil
}

// Family are a process and its children, those of their children included.
func Family(pid int) ([]int, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("children of process %d: %w", pid, err)
	}
	family := []int{pid}
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("children of process %d (needs CONFIG_PROC_CHILDREN): %w", pid, err)
		}
		for _, word := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("children of process %d: %w", pid, err)
			}
			theirs, err := Family(child)
			if err != nil {
				return nil, err
			}
			family = append(family, theirs...)
		}
	}
	return family, nil
}

// Machine is the processor time that the whole machine has spent, whatever for.
func Machine() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	// cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ …
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return 0, fmt.Errorf("/proc/stat: malformed: %q", line)
	}
	var spent time.Duration
	for i, field := range fields[:8] {
		if i == 0 || i == 4 || i == 5 {
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		spent += time.Duration(n) * clockTick
	}
	return spent, nil
}
