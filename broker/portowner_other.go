//go:build !linux

package broker

// portOwner does not know: only Linux tells without a tool.
func portOwner(string) (pid int, process string) { return 0, "" }
