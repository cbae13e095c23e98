//go:build unix

package crosstest

import (
	"syscall"
	"time"
)

// spent is the CPU time that this process has used: unlike the clock, it does not
// tell of what else the machine does.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
