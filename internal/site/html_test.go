package site_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"strings"
)

// element is an element of a page, or its text where it has no name.
type element struct {
	name     string
	attr     map[string]string
	children []*element
	data     string
}

var void = map[string]bool{"meta": true, "link": true, "input": true, "br": true, "img": true, "hr": true, "wbr": true}

// parseHTML reads a page as strictly as XML, but for elements that have no end and attributes without a value, which our pages have.
func parseHTML(text []byte) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	d.Strict = false // for attributes without a value; what is not closed is found below
	d.Entity = xml.HTMLEntity
	root := &element{}
	open := []*element{root}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{name: x.Name.Local, attr: map[string]string{}}
			for _, a := range x.Attr {
				if _, twice := e.attr[a.Name.Local]; twice {
					return nil, fmt.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attr[a.Name.Local] = a.Value
			}
			top.children = append(top.children, e)
			if !void[e.name] {
				open = append(open, e)
			}
		case xml.EndElement:
			if void[x.Name.Local] {
				continue // as the decoder reads <x/>
			}
			if top.name != x.Name.Local {
				return nil, fmt.Errorf("<%s> is closed by </%s>", top.name, x.Name.Local)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			top.children = append(top.children, &element{data: html.UnescapeString(string(x))})
		}
	}
	if len(open) != 1 {
		return nil, fmt.Errorf("<%s> is not closed", open[len(open)-1].name)
	}
	return root, nil
}

// all yields e and what is in it, in the order of the page.
func (e *element) all() iter.Seq[*element] {
	return func(yield func(*element) bool) { e.walk(yield) }
}

func (e *element) walk(yield func(*element) bool) bool {
	if !yield(e) {
		return false
	}
	for _, c := range e.children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

func (e *element) find(name string) *element {
	for x := range e.all() {
		if x.name == name {
			return x
		}
	}
	return nil
}

func (e *element) text() string {
	var b strings.Builder
	for x := range e.all() {
		b.WriteString(x.data)
	}
	return b.String()
}
