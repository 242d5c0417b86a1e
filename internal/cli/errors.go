package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/near"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// code is the stable number of an error. Its first two digits are the exit code.
type code int

// The codes. A number is never given to another error.
const (
	codeInternal   code = 101
	codeStorage    code = 102
	codeCommand    code = 201
	codeFlag       code = 202
	codeFlagValue  code = 203
	codeArgs       code = 204
	codeFormat     code = 205
	codeTime       code = 206
	codeSettings   code = 207
	codeCatalog    code = 208
	codeFile       code = 209
	codeConflict   code = 210
	codeExpression code = 211
	codeTemplate   code = 212
	codePath       code = 213
	codeAgainst    code = 214
	codeProfile    code = 216
	codeWrite      code = 217
	codeSecret     code = 218
	codeSite       code = 219
	codeGenerate   code = 220
	codeTopic      code = 301
	codeGroup      code = 302
	codeEventType  code = 303
	codeDeadLetter code = 304
	codeNotRunning code = 305
	codeEmpty      code = 306
	codeNoService  code = 307
	codeJob        code = 308
	codePlan       code = 309
	codeSubject    code = 310
	codeFlow       code = 311
	codeNoFlow     code = 312
	codeVersion    code = 313
	codeReach      code = 401
	codeListen     code = 402
	codeAdvertised code = 403
	codeRegistry   code = 404
	codeAuth       code = 501
	codeTimeout    code = 601
	codeOutcome    code = 602
	codeJSON       code = 701
	codeSchema     code = 702
	codeTooLarge   code = 703
	codeEvent      code = 704
	codeLint       code = 705
	codeDrift      code = 706
	codeCorrupt    code = 707
	codeBreaking   code = 708
	codeGovernance code = 709
	codeRegistered code = 711
	codePartial    code = 801
	codeStopped    code = 802
	codeCanceled   code = 803
	codePort       code = 901
	codeDirInUse   code = 902
	codeElsewhere  code = 903
	codeInsecure   code = 904
	codeRunning    code = 905
	codeServed     code = 906
	codeNoFaults   code = 907
	codeStale      code = 908
	codePlanOnly   code = 909
	codeState      code = 910
	codeActive     code = 911
	codeInUse      code = 912
	codeExists     code = 913
	codeReadOnly   code = 914
	codeUnfit      code = 915
	codeThreshold  code = 1001
	codePromise    code = 1002
	codeUnwell     code = 1003
	codeTarget     code = 1004
	codeOldVersion code = 1005
)

const exitInterrupted = 130

func (c code) exit() int      { return int(c) / 100 }
func (c code) String() string { return fmt.Sprintf("OMB-%04d", int(c)) }

// failure is an error as people see it: what, where, why, and what to do next. It holds no payload and no secret.
type failure struct {
	code    code
	message string
	details []detail
	cause   string
	fixes   []string
	next    string // a command to be pasted: the last line
	err     error  // for errors.Is; never printed
}

type detail struct{ name, value string }

// fail makes a failure; the message is a sentence without a full stop.
func fail(c code, message string, args ...any) *failure {
	return &failure{code: c, message: fmt.Sprintf(message, args...)}
}

func (f *failure) Error() string { return f.code.String() + ": " + f.message }
func (f *failure) Unwrap() error { return f.err }

// at adds where it happened.
func (f *failure) at(name, value string, args ...any) *failure {
	f.details = append(f.details, detail{name, fmt.Sprintf(value, args...)})
	return f
}

// because sets why it happened.
func (f *failure) because(why string, args ...any) *failure {
	f.cause = fmt.Sprintf(why, args...)
	return f
}

// fix adds what to do next; the first is the best.
func (f *failure) fix(what string, args ...any) *failure {
	f.fixes = append(f.fixes, fmt.Sprintf(what, args...))
	return f
}

// then sets the command that goes on from here, for people and scripts to take from the last line.
func (f *failure) then(command string) *failure {
	f.next = command
	return f
}

// meant adds a "did you mean" fix where one of choices is near to got.
func (f *failure) meant(got string, choices []string) *failure {
	if found := near.Names(got, choices); len(found) > 0 {
		f.fixes = slices.Insert(f.fixes, 0, "did you mean "+strings.Join(found, " or ")+"?")
	}
	return f
}

// badText points at the byte of text that is wrong in what a flag was given; at -1 is none of them.
func badText(c code, flag, text string, at int, why string) *failure {
	if at < 0 {
		return fail(c, "the value of %s cannot be used", flag).at("where", "%s", clip(oneline.Text(text), 100)).because("%s", why)
	}
	at = min(at, len(text))
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	column := utf8.RuneCountInString(text[start:at])
	f := fail(c, "the value of %s cannot be read: line %d, column %d", flag, strings.Count(text[:start], "\n")+1, column+1).because("%s", why)
	shown := []rune(strings.ReplaceAll(line, "\t", " "))
	if column > 70 { // only what is around it
		shown, column = append([]rune{'…'}, shown[column-40:]...), 41
	}
	return f.at("where", "%s\n%s^", clip(string(shown), 100), strings.Repeat(" ", column))
}

type errorDoc struct {
	Schema string    `json:"schema"`
	Error  errorBody `json:"error"`
}

type errorBody struct {
	Code    string            `json:"code"`
	Message string            `json:"message"`
	Where   map[string]string `json:"where,omitzero"`
	Cause   string            `json:"cause,omitzero"`
	Hint    string            `json:"hint"`
	Docs    string            `json:"docs"`          // the command that explains the code
	Next    string            `json:"next,omitzero"` // a command to be pasted
	Exit    int               `json:"exit"`
}

// hintSeparator stands between the fixes of a JSON error.
const hintSeparator = "; or "

func (f *failure) doc() errorDoc {
	doc := errorDoc{schemaOf("error"), errorBody{
		Code: f.code.String(), Message: f.message, Cause: f.cause, Hint: strings.Join(f.fixes, hintSeparator), Docs: f.docs(), Next: f.next, Exit: f.code.exit(),
	}}
	for _, d := range f.details {
		if doc.Error.Where == nil {
			doc.Error.Where = map[string]string{}
		}
		if before, twice := doc.Error.Where[d.name]; twice {
			d.value = before + "; " + d.value
		}
		doc.Error.Where[d.name] = d.value
	}
	return doc
}

// docs is the command that explains the code.
func (f *failure) docs() string { return "omnibus explain " + f.code.String() }

// printFailure writes f to standard error, as JSON where the output is JSON.
func (a *app) printFailure(f *failure) {
	if a.format == formatJSON || a.format == formatNDJSON && a.settings.get("OMNIBUS_OUTPUT").value != "" {
		if b, err := jsonx.Marshal(f.doc()); err == nil {
			a.note("%s", b)
			return
		}
	}
	width := len("cause")
	for _, d := range f.details {
		width = max(width, len(d.name))
	}
	var s strings.Builder
	line := func(name, value string) {
		value = strings.ReplaceAll(value, "\n", "\n"+strings.Repeat(" ", width+4))
		fmt.Fprintf(&s, "\n  %-*s  %s", width, name, value)
	}
	for _, d := range f.details {
		line(d.name, d.value)
	}
	if f.cause != "" {
		line("cause", f.cause)
	}
	for i, fix := range f.fixes {
		name := "fix"
		if i > 0 {
			name = " or"
		}
		line(name, fix)
	}
	line("more", f.docs())
	a.note("%s: %s%s", a.paint(red, "error["+f.code.String()+"]"), f.message, s.String())
	if f.next != "" {
		a.note("%s", f.next)
	}
}

// note writes a line for people to standard error.
func (a *app) note(format string, args ...any) {
	a.progress.hide()
	fmt.Fprintf(a.err, format+"\n", args...) //nolint:errcheck // where standard error is gone there is nobody to tell
}

// hint is a note that --quiet suppresses.
func (a *app) hint(format string, args ...any) {
	if !a.flags.quiet {
		a.note(format, args...)
	}
}

// asFailure finds the failure in err, if there is one.
func asFailure(err error) (*failure, bool) {
	var f *failure
	ok := errors.As(err, &f)
	return f, ok
}
