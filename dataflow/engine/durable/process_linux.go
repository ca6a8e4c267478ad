package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// processName tells this process from all others that ever were: by the
// machine's boot, the space of process ids (containers of a machine have their
// own), the id and when it started (proc_pid_stat(5), field 22). It is "" where
// the system does not say.
func processName() string {
	pid := os.Getpid()
	return nameOf(pid)
}

func nameOf(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	started, err := startOf(pid)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%s/%d/%s", strings.TrimSpace(string(boot)), space, pid, started)
}

func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	words := strings.Fields(rest)
	if !ok || len(words) < 20 {
		return "", errors.New("the process says nothing of itself")
	}
	return words[19], nil
}

// gone reports whether a process of this machine has certainly ended. Of
// others nothing is known.
func gone(name string) bool {
	own := strings.Split(processName(), "/")
	other := strings.Split(name, "/")
	if len(own) != 4 || len(other) != 4 || own[0] != other[0] || own[1] != other[1] {
		return false
	}
	var pid int
	if _, err := fmt.Sscanf(other[2], "%d", &pid); err != nil {
		return false
	}
	started, err := startOf(pid)
	return errors.Is(err, fs.ErrNotExist) || err == nil && started != other[3]
}
