// Package parts knows the real parts that the tests run against: how to install them, start them and stop them.
package parts
