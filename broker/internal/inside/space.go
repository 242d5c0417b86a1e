package inside

import "context"

type spaceKey struct{}

// WithSpace returns a context with which a started broker takes the answer of space for the state of its disk.
func WithSpace(ctx context.Context, space func() (free, total int64, err error)) context.Context {
	return context.WithValue(ctx, spaceKey{}, space)
}

// Space returns what [WithSpace] left in the context, else own.
func Space(ctx context.Context, own func() (free, total int64, err error)) func() (free, total int64, err error) {
	if space, ok := ctx.Value(spaceKey{}).(func() (int64, int64, error)); ok {
		return space
	}
	return own
}
