package main

func Example() {
	main()
	// Output: attempt 1 took 0s: done
}
