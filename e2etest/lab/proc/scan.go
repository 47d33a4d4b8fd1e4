package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// InNetns lists the processes whose main thread is in one of the network
// namespaces, by inode number.
func InNetns(inodes ...uint64) []int {
	var found []int
	for _, pid := range pids() {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			continue // ended meanwhile
		}
		number := strings.TrimSuffix(strings.TrimPrefix(link, "net:["), "]")
		inode, err := strconv.ParseUint(number, 10, 64)
		if err == nil && slices.Contains(inodes, inode) {
			found = append(found, pid)
		}
	}
	return found
}

// Tree lists the given processes and all of their descendants.
func Tree(roots ...int) []int {
	children := make(map[int][]int)
	for _, pid := range pids() {
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	all := slices.Clone(roots)
	for i := 0; i < len(all); i++ { // all grows while we walk it
		all = append(all, children[all[i]]...)
	}
	return all
}

func pids() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is fixed and valid
	var list []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(filepath.Base(entry)); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// parentOf reads field 4 of /proc/PID/stat; the name in field 2 may hold blanks
// and parentheses, so fields are counted from the last closing one.
func parentOf(pid int) (int, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}
