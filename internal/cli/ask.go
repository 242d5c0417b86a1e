package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
)

// canAsk tells whether somebody sits there who can be asked.
func (a *app) canAsk() bool {
	return a.terminal && isTerminal(a.in) && !a.flags.noInput && a.format != formatJSON
}

// ask puts a question and returns the line that is typed.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.err, question) //nolint:errcheck // where standard error is gone there is nobody to ask
	answer := make(chan string, 1)
	go func() { // it ends with the process at the latest: reading from a terminal cannot be called off
		line, _ := bufio.NewReader(a.in).ReadString('\n') // the end of the input is no answer
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		return line, nil
	case <-ctx.Done():
		a.note("")
		return "", context.Cause(ctx)
	}
}
