package cli

// The few styles in use. Colour is never the only signal.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint styles s where the output takes colour.
func (a *app) paint(style, s string) string {
	if !a.color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// useColor decides on colour: the flag, then NO_COLOR, CLICOLOR_FORCE and TERM=dumb, then whether people look at it.
func (a *app) useColor(mode string) bool {
	if mode == "always" || mode == "never" {
		return mode == "always"
	}
	if v, ok := a.env.lookup("NO_COLOR"); ok && v != "" {
		return false
	}
	if v, ok := a.env.lookup("CLICOLOR_FORCE"); ok && v != "" && v != "0" {
		return true
	}
	if v, _ := a.env.lookup("TERM"); v == "dumb" {
		return false
	}
	return a.terminal
}
