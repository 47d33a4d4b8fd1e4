package poll

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dropSYN is a classic BPF program that a socket's segments pass, from the TCP
// header on: it drops those that open a connection.
var dropSYN = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},                  // the flags
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},               // SYN and ACK of them
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jt: 0, Jf: 1}, // SYN alone
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
}

// RefuseSYN keeps new connections out of a listening socket, without a word:
// clients try again a second later. Those that are under way go on. The socket must
// not be one of MPTCP.
func RefuseSYN(fd int) error {
	prog := unix.SockFprog{Len: uint16(len(dropSYN)), Filter: &dropSYN[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("keep connections out: %w", err)
	}
	return nil
}
