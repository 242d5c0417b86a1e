package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func through(t *testing.T) (*proxy, func() net.Conn) {
	t.Helper()
	p, err := newProxy(t.Context(), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p, func() net.Conn {
		c, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

func set(t *testing.T, p *proxy, with string) {
	t.Helper()
	w, err := forecast(with)
	if err != nil {
		t.Fatal(err)
	}
	p.set(w)
}

// ask sends text and reads as much.
func tryEcho(c net.Conn, within time.Duration) error {
	text := bytes.Repeat([]byte("0123456789"), 100)
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := c.Write(text); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, len(text)))
	return err
}

func TestWeatherComesAndGoesOnOneConnection(t *testing.T) {
	p, dial := through(t)
	c := dial()
	for _, with := range []string{"latency 20", "bandwidth 100", "slicer", "latency 5 up", "slicer back"} {
		set(t, p, with)
		if err := tryEcho(c, 5*time.Second); err != nil {
			t.Errorf("%s: %v", with, err)
		}
		p.set(fair())
		if err := tryEcho(c, 5*time.Second); err != nil {
			t.Errorf("after %s: %v", with, err)
		}
	}
}

func TestLatencyIsLate(t *testing.T) {
	p, dial := through(t)
	c := dial()
	set(t, p, "latency 100")
	began := time.Now()
	if err := tryEcho(c, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond { // 100±50 ms each way
		t.Errorf("an echo took %v, want at least 100 ms", took)
	}
}

func TestBlackHoleLosesWhatPasses(t *testing.T) {
	p, dial := through(t)
	c := dial()
	if err := tryEcho(c, time.Second); err != nil {
		t.Fatal(err)
	}
	set(t, p, "blackhole back")
	if err := tryEcho(c, 50*time.Millisecond); err == nil {
		t.Error("an echo came through a black hole")
	}
	p.set(fair())
	if err := tryEcho(c, time.Second); err == nil {
		t.Error("a connection that lost bytes goes on")
	}
	if err := tryEcho(dial(), time.Second); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestResetAndDownEndConnections(t *testing.T) {
	p, dial := through(t)
	for _, with := range []string{"reset", "down"} {
		c := dial()
		if err := tryEcho(c, time.Second); err != nil {
			t.Fatal(err)
		}
		set(t, p, with)
		if err := tryEcho(c, time.Second); err == nil {
			t.Errorf("%s: the connection goes on", with)
		}
		if with == "down" {
			if err := tryEcho(dial(), time.Second); err == nil {
				t.Error("down: a new connection works")
			}
		}
		p.set(fair())
		if err := tryEcho(dial(), time.Second); err != nil {
			t.Errorf("after %s: %v", with, err)
		}
	}
}

func TestUnknownWeatherIsRefused(t *testing.T) {
	for _, with := range []string{"", "snow", "latency", "latency x", "slicer sideways", "bandwidth 0"} {
		if _, err := forecast(with); err == nil {
			t.Errorf("%q is accepted", with)
		}
	}
}

func TestEverythingThatProfilesDrawFromIsKnown(t *testing.T) {
	for _, with := range weathers() {
		if _, err := forecast(with); err != nil {
			t.Error(err)
		}
	}
	for _, with := range refusals() {
		if _, err := refusal(with); err != nil {
			t.Error(err)
		}
	}
}
