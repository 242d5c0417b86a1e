package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Latest stands for the newest version of a subject.
const Latest = -1

// The kinds of schemas.
const (
	JSON     = "JSON"
	Avro     = "AVRO"
	Protobuf = "PROTOBUF"
)

// Schema is a text, and what it refers to.
type Schema struct {
	Text       string
	Type       string // default: JSON
	References []Reference
}

// Reference is another schema that a text refers to under Name.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Registered is a schema as the registry has it. What was asked by id or GUID has no subject and no version.
type Registered struct {
	Schema

	Subject string
	Version int
	ID      int
	GUID    string // empty: this make of registry has none
}

// onWire is a schema in a request or an answer.
type onWire struct {
	Subject    string      `json:"subject,omitempty"`
	Version    int         `json:"version,omitempty"`
	ID         int         `json:"id,omitempty"`
	GUID       string      `json:"guid,omitempty"`
	Type       string      `json:"schemaType,omitempty"`
	References []Reference `json:"references,omitempty"`
	Text       string      `json:"schema"`
}

func (s Schema) wire() onWire {
	w := onWire{Text: s.Text, Type: s.Type, References: s.References}
	if w.Type == "" {
		w.Type = JSON
	}
	return w
}

func (w onWire) registered() Registered {
	if w.Type == "" {
		w.Type = Avro // it goes without saying
	}
	return Registered{
		Schema: Schema{Text: w.Text, Type: w.Type, References: w.References}, Subject: w.Subject, Version: w.Version, ID: w.ID, GUID: w.GUID,
	}
}

// Register adds a version to a subject, and gives the one that is there where its text is. It fails with ErrIncompatible or ErrRefused.
func (c *Client) Register(ctx context.Context, subject string, s Schema) (Registered, error) {
	name, err := segment(subject)
	if err != nil {
		return Registered{}, err
	}
	op := "register " + subject
	var answer onWire
	if err := c.call(ctx, op, http.MethodPost, "/subjects/"+name+"/versions", nil, s.wire(), &answer); err != nil {
		return Registered{}, err
	}
	if answer.Version > 0 && answer.Text != "" {
		answer.Subject = subject
		return answer.registered(), nil
	}
	return c.Lookup(ctx, subject, s) // older ones answer with the id alone
}

// Lookup finds the version of a subject that has this text.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema) (Registered, error) {
	name, err := segment(subject)
	if err != nil {
		return Registered{}, err
	}
	var answer onWire
	if err := c.call(ctx, "look up a schema of "+subject, http.MethodPost, "/subjects/"+name, nil, s.wire(), &answer); err != nil {
		return Registered{}, err
	}
	return answer.registered(), nil
}

// Version gives a version of a subject, or the [Latest].
func (c *Client) Version(ctx context.Context, subject string, version int) (Registered, error) {
	name, err := segment(subject)
	if err != nil {
		return Registered{}, err
	}
	ask := func(ctx context.Context) (Registered, error) {
		var answer onWire
		op := fmt.Sprintf("get version %s of %s", spell(version), subject)
		err := c.call(ctx, op, http.MethodGet, "/subjects/"+name+"/versions/"+spell(version), nil, nil, &answer)
		return answer.registered(), err
	}
	if version == Latest {
		return c.shared(ctx, "version latest of "+subject, ask)
	}
	return c.remembered(ctx, fmt.Sprintf("version %d of %s", version, subject), ask)
}

func spell(version int) string {
	if version == Latest {
		return "latest"
	}
	return strconv.Itoa(version)
}

// ByID gives the schema that has this id.
func (c *Client) ByID(ctx context.Context, id int) (Registered, error) {
	key := "schema " + strconv.Itoa(id)
	return c.remembered(ctx, key, func(ctx context.Context) (Registered, error) {
		var answer onWire
		err := c.call(ctx, "get "+key, http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil, nil, &answer)
		if errors.Is(err, ErrUnsupported) {
			// Every registry serves ids. Where there is one, it has not this: without one, nothing is known.
			if _, probed := c.Probe(ctx); probed != nil {
				return Registered{}, probed
			}
			err = as(err, ErrNotFound)
		}
		answer.ID = id
		return answer.registered(), err
	})
}

// ByGUID gives the schema that has this GUID, in the form of a UUID. It fails with ErrUnsupported where the registry knows none.
func (c *Client) ByGUID(ctx context.Context, guid string) (Registered, error) {
	key := "schema " + guid
	return c.remembered(ctx, key, func(ctx context.Context) (Registered, error) {
		var answer onWire
		err := c.call(ctx, "get "+key, http.MethodGet, "/schemas/guids/"+url.PathEscape(guid), nil, nil, &answer)
		answer.GUID = guid
		return answer.registered(), err
	})
}

// as is err with another meaning.
func as(err, kind error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	other := *e
	other.kind = kind
	return &other
}

// remembered answers from memory, and asks otherwise.
func (c *Client) remembered(ctx context.Context, key string, ask func(context.Context) (Registered, error)) (Registered, error) {
	if found, err, ok := c.known.get(key, time.Now()); ok {
		c.counts.hits.Add(1)
		return found, err
	}
	c.counts.misses.Add(1)
	return c.shared(ctx, key, func(ctx context.Context) (Registered, error) {
		found, err := ask(ctx)
		switch {
		case err == nil:
			c.known.put(memo{key: key, found: found})
		case errors.Is(err, ErrNotFound):
			c.known.put(memo{key: key, err: err, until: time.Now().Add(absentFor)})
		}
		return found, err
	})
}

// shared asks once for all who want to know the same at the same time. Who does not wait any longer does not end it for the others.
func (c *Client) shared(ctx context.Context, key string, ask func(context.Context) (Registered, error)) (Registered, error) {
	type outcome struct {
		found Registered
		err   error
	}
	answer := make(chan outcome, 1)
	c.running.Go(func() {
		v, err, _ := c.flights.Do(key, func() (any, error) {
			ctx, cancel := context.WithTimeout(c.life, 2*c.timeout)
			defer cancel()
			return ask(ctx)
		})
		found, _ := v.(Registered)
		answer <- outcome{found, err}
	})
	select {
	case a := <-answer:
		return a.found, a.err
	case <-ctx.Done():
		return Registered{}, fmt.Errorf("get %s: %w", key, context.Cause(ctx))
	}
}

// Subjects are all subjects that have a version.
func (c *Client) Subjects(ctx context.Context) ([]string, error) {
	var names []string
	err := c.call(ctx, "list subjects", http.MethodGet, "/subjects", nil, nil, &names)
	return names, err
}

// Versions are the versions of a subject, in order.
func (c *Client) Versions(ctx context.Context, subject string) ([]int, error) {
	name, err := segment(subject)
	if err != nil {
		return nil, err
	}
	var numbers []int
	err = c.call(ctx, "list versions of "+subject, http.MethodGet, "/subjects/"+name+"/versions", nil, nil, &numbers)
	return numbers, err
}

// Deletion says what is left of what is deleted.
type Deletion int

// The deletions.
const (
	Soft      Deletion = iota // it can still be had by its id, and come back
	Permanent                 // nothing is left; it needs the soft one before
)

func (d Deletion) query() url.Values {
	if d == Permanent {
		return url.Values{"permanent": {"true"}}
	}
	return nil
}

// DeleteSubject deletes all versions of a subject, and says which.
func (c *Client) DeleteSubject(ctx context.Context, subject string, how Deletion) ([]int, error) {
	name, err := segment(subject)
	if err != nil {
		return nil, err
	}
	var numbers []int
	err = c.call(ctx, "delete "+subject, http.MethodDelete, "/subjects/"+name, how.query(), nil, &numbers)
	return numbers, err
}

// DeleteVersion deletes one version of a subject.
func (c *Client) DeleteVersion(ctx context.Context, subject string, version int, how Deletion) error {
	name, err := segment(subject)
	if err != nil {
		return err
	}
	op := fmt.Sprintf("delete version %s of %s", spell(version), subject)
	return c.call(ctx, op, http.MethodDelete, "/subjects/"+name+"/versions/"+spell(version), how.query(), nil, nil)
}
